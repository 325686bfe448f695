"""One compiled schema for a whole process, threads and all."""

from __future__ import annotations

import threading

import pytest

from gateway.groups import schema
from gateway.groups.messages import Address, CapabilityRequest
from gateway.groups.xml import decode, encode
from gateway.groups.xml_faults import InvalidMessageError

GOOD = encode(
    CapabilityRequest(address=Address(message_id="m1", dms_id="d", group_id="g", time_ms=0))
)


def test_threads_never_see_each_others_faults():
    """Each thread breaks another element; lxml's log is one for all of them."""
    names = [b"Verb", b"Noun", b"Timestamp", b"MessageID"]
    wrong: list[str] = []

    def judge(name: bytes) -> None:
        bad = GOOD.replace(b"<" + name + b">", b"<" + name + b"> !")
        for _ in range(100):
            decode(GOOD)
            try:
                decode(bad)
            except InvalidMessageError as error:
                paths = {fault.path for fault in error.faults}
                if paths != {f"/RequestMessage/Header/{name.decode()}"}:
                    wrong.append(f"{name!r}: {paths}")
            else:
                wrong.append(f"{name!r} taken")

    threads = [threading.Thread(target=judge, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_bad_message_leaves_nothing_behind_for_the_next():
    with pytest.raises(InvalidMessageError):
        decode(GOOD.replace(b">get<", b">put<"))
    assert schema.message_schema().faults(schema.parse(GOOD), GOOD) == []
    assert schema.report(GOOD) == []


def test_the_master_is_our_namespace_and_ours_alone():
    root = schema.parse(GOOD)
    assert {element.tag.partition("}")[0][1:] for element in root.iter()} == {schema.NAMESPACE}
