# SPDX-License-Identifier: GPL-2.0-or-later
"""The DRBD resources, as `drbdadm dump-xml` prints them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from twinsan.errors import Misconfigured, Reason
from twinsan.operate.adoption.found import Replica, Volume

NO_DUMP = Reason(Misconfigured, "{source} is not what drbdadm dump-xml prints", "save that: drbdadm dump-xml >drbd.xml")

# The first line may be a comment or a warning; the tables begin here.
_ROOT = "<config"


def read(text: str, source: str) -> list[Replica]:
    """Return the resources of a dump. Raises Misconfigured for what is none; `source` is its name for that."""
    start = text.find(_ROOT)
    try:
        root = None if start < 0 or "<!DOCTYPE" in text else ET.fromstring(text[start:])  # noqa: S314
    except (ET.ParseError, ValueError, RecursionError):
        root = None
    if root is None or root.tag != "config":
        raise NO_DUMP(source=source)
    common = _options(root.find("common"))
    return [_replica(each, common) for each in root.iterfind("resource")]


def of_path(path: str, replicas: list[Replica]) -> tuple[str, Replica | None, Volume | None]:
    """Return the name of the resource whose device `path` is, with the resource and the volume, as far as they are
    known: None otherwise.
    """
    named = re.fullmatch(r"/dev/drbd/by-res/([^/]+)(?:/(\d{1,5}))?", path, re.ASCII)
    minor = re.fullmatch(r"/dev/drbd(?:/by-minor/)?(\d{1,7})|/dev/drbd_.*_(\d{1,7})", path, re.ASCII)
    for replica in replicas:
        for volume in replica.volumes:
            is_named = bool(named) and (named[1], int(named[2] or 0)) == (replica.name, volume.number)  # type: ignore[index]
            is_numbered = bool(minor) and minor[1] is not None and int(minor[1]) == volume.minor  # type: ignore[index]
            if is_named or is_numbered or path == volume.device:
                return replica.name, replica, volume
    return named[1] if named else "", None, None


def _replica(element: ET.Element, common: dict[str, str]) -> Replica:
    hosts = element.findall("host")
    addresses, paths = _addresses(element, hosts)
    ports = [port for port, _ in addresses.values() if port]
    return Replica(
        element.get("name", ""),
        _volumes(hosts),
        {node: ip for node, (_, ip) in addresses.items() if ip},
        int(ports[0]) if ports else 0,
        paths,
        {**common, **_options(element)},
        element.get("conf-file-line", "").rpartition(":")[0],
    )


def _volumes(hosts: list[ET.Element]) -> list[Volume]:
    found: dict[int, Volume] = {}
    for host in hosts:
        for element in host.iterfind("volume"):
            device = element.find("device")
            number, minor = element.get("vnr", ""), "" if device is None else device.get("minor", "")
            if not (_is_number(number) and _is_number(minor)):
                continue
            name = ((device.text if device is not None else "") or "").strip()
            volume = found.setdefault(
                int(number), Volume(int(number), int(minor), name or f"/dev/drbd{int(minor)}", {})
            )
            volume.disks[host.get("name", "")] = (element.findtext("disk") or "").strip()
            volume.internal &= (element.findtext("meta-disk") or "").strip() in ("internal", "flexible-internal")
    return list(found.values())


def _addresses(element: ET.Element, hosts: list[ET.Element]) -> tuple[dict[str, tuple[str, str]], int]:
    """Return port and address of each node, and the number of paths. DRBD 9 may have them in its paths alone."""
    paths = element.findall("connection/path")
    places = [*hosts, *(host for path in paths[:1] for host in path.findall("host"))]
    found: dict[str, tuple[str, str]] = {}
    for host in places:
        address = host.find("address")
        if address is not None and _is_number(address.get("port", "")):
            found.setdefault(host.get("name", ""), (address.get("port", ""), (address.text or "").strip()))
    return found, max(len(paths), 1)


def _options(element: ET.Element | None) -> dict[str, str]:
    found = {}
    for section in [] if element is None else element.findall("section"):
        for option in section.findall("option"):
            found[f"{section.get('name', '')}.{option.get('name', '')}"] = option.get("value", "yes")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 7
