# SPDX-License-Identifier: GPL-2.0-or-later
"""corosync.conf: the links of the nodes, and who may go on if one is lost."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Resource, Site

_HEAD = """\
# corosync of a pair, for /etc/corosync/corosync.conf on both nodes, the same. Change the names and the addresses.
# Before the first start, make the key on one node and copy it to the other:
#     corosync-keygen && scp -p /etc/corosync/authkey {other}:/etc/corosync/
# corosync 3.0 or newer. The names are those of 'uname -n'.
"""
_HEAD_WITNESS = """\
# corosync of a pair with a third vote, for /etc/corosync/corosync.conf on both nodes, the same.
# corosync-qnetd runs on a third machine, which is no node of the cluster and may be small: here {witness}. Install the
# package corosync-qnetd there, and corosync-qdevice on both nodes. Before the first start, make the key, and the
# certificates, on one node, which needs ssh as root to all three:
#     corosync-keygen && scp -p /etc/corosync/authkey {other}:/etc/corosync/
#     corosync-qdevice-net-certutil -Q -n {name} {witness} {one} {other}
# A pair that runs without a third vote takes this file without a restart; then load its cib.xml:
#     scp -p /etc/corosync/corosync.conf {other}:/etc/corosync/ && corosync-cfgtool -R      # on one
#     systemctl enable --now corosync-qdevice                                            # on both
#     corosync-quorumtool -s                                                             # Total votes: 3
"""
_TOTEM = """\

totem {{
    version: 2
    cluster_name: {name}

    # knet uses all links of the node list: one that fails costs nothing. Without it there is one link.
    transport: knet

    # Who can send packets into one of the networks could otherwise fence a server.
    crypto_cipher: aes256
    crypto_hash: sha256

    # A node is lost when its token is so late, in ms (the default of corosync 3.1 is 3000). A failed link is noticed in
    # half of that, so that another link takes over in time. Less than 3000 would fence a server that was only busy.
    token: {token}

    # How long the survivor then waits for the others to agree. The default is 1.2 times token, for three nodes and
    # more. Of two nodes none is left to agree with: more than join (50 ms) and less than token is safe, says
    # corosync.conf(5).
    consensus: {consensus}
}}

nodelist {{
"""
_TWO_NODES = """\
}

quorum {
    provider: corosync_votequorum

    # One node of two may go on alone. It does so only after it has fenced the other one. At boot a node waits for both
    # (wait_for_all is implied).
    two_node: 1
}
"""
_WITNESS = """\
}}

quorum {{
    provider: corosync_votequorum

    # Two of three votes are needed: a node goes on alone if the third machine votes for it, and both go on together
    # without the third machine. So there is no two_node, and a node that boots alone need not wait for the other.
    device {{
        model: net
        votes: 1

        # How often the node shows that it lives (0.8 of this), to the third machine, which gives it up after 1.5 times
        # that: 3.6 s. So a node that dies is given up before the other one asks for the vote, after token and consensus
        # (4 s). With the default of 10000 the vote would be up to 8 s late. Less would only cost connections.
        timeout: 3000

        # How long a change of the members waits for the vote at most: for the slower one of two nodes that have lost
        # each other, or for a corosync-qdevice that hangs. The default is 30000.
        sync_timeout: 10000

        net {{
            # Best reached by another way than those between the nodes: if all fail at once, no node has two votes.
            host: {witness}
            algorithm: ffsplit
            # Who can connect without a certificate could otherwise take the vote.
            tls: required
        }}

        # If the nodes lose each other and both reach the third machine, the vote goes to the one whose target is open
        # for logins: the one that serves{which}. Without this it would go to the lower nodeid, and the SAN might
        # have to move.
        heuristics {{
            mode: sync
            # Reading a file takes milliseconds.
            sync_timeout: 2000
            exec_serves: /usr/bin/grep -q 1 /sys/kernel/config/target/iscsi/{iqn}/tpgt_1/enable
        }}
    }}
}}
"""
_LOGGING = """\

logging {
    to_syslog: yes
    to_logfile: no
}
"""


def text(site: Site) -> str:
    """Return corosync.conf for both nodes of a site."""
    one, other = (node.name for node in site.nodes)
    values = {"name": site.name, "one": one, "other": other, "witness": site.witness}
    policy = site.policy
    parts = [(_HEAD_WITNESS if site.witness else _HEAD).format(**values)]
    parts.append(_TOTEM.format(name=site.name, token=policy.token_ms, consensus=policy.consensus_ms))
    for number, node in enumerate(site.nodes, 1):
        links = "".join(f"        ring{link}_addr: {address}\n" for link, address in enumerate(node.links))
        parts.append(f"    node {{\n        name: {node.name}\n        nodeid: {number}\n{links}    }}\n")
    parts.append(_quorum(site) if site.witness else _TWO_NODES)
    return "".join([*parts, _LOGGING])


def _quorum(site: Site) -> str:
    first = _most_important(site)
    which = f" {first.name}" if len(site.resources) > 1 else ""
    return _WITNESS.format(witness=site.witness, iqn=first.iqn, which=which)


def _most_important(site: Site) -> Resource:
    """The resource with the highest priority, the first one of equals."""
    return max(site.resources, key=lambda resource: resource.priority)
