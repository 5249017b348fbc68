#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Many LUNs as one resource, ocf:lab:luns. The cluster takes its time for each action, and in a guest a lot of it: with
# a resource for each LUN a switchover of twelve would take minutes. The agents are the real ones, all at once, and as if
# run by hand: what each would tell the cluster of itself starts programs, and is for the LUN of the template to do.
# Parameters: target_iqn; luns ("NUMBER:DEVICE" for each); state_resource, as lio-lun has it.

unset OCF_RESKEY_crm_feature_set
agent=/usr/lib/ocf/resource.d/twinsan/lio-lun

one() {
	OCF_RESOURCE_INSTANCE=p_lun${2%%:*} OCF_RESKEY_lun=${2%%:*} OCF_RESKEY_path=${2#*:} "$agent" "$1"
}

every() {
	running=
	for lun in $OCF_RESKEY_luns; do
		one "$1" "$lun" &
		running="$running $!"
	done
	worst=0
	for child in $running; do
		wait "$child" || worst=$?
	done
	return "$worst"
}

case $1 in
start | stop)
	every "$1"
	;;
monitor)
	# One for all: the last one.
	one "$1" "${OCF_RESKEY_luns##* }"
	;;
meta-data)
	cat <<-'END'
		<?xml version="1.0"?>
		<resource-agent name="luns" version="1">
		  <version>1.1</version>
		  <longdesc lang="en">LUNs of a test</longdesc>
		  <shortdesc lang="en">LUNs of a test</shortdesc>
		  <parameters>
		    <parameter name="target_iqn"><content type="string"/></parameter>
		    <parameter name="luns"><content type="string"/></parameter>
		    <parameter name="state_resource"><content type="string"/></parameter>
		  </parameters>
		  <actions>
		    <action name="start" timeout="120s"/>
		    <action name="stop" timeout="120s"/>
		    <action name="monitor" timeout="20s" interval="60s"/>
		    <action name="meta-data" timeout="5s"/>
		  </actions>
		</resource-agent>
	END
	;;
*)
	exit 3
	;;
esac
