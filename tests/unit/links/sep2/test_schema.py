"""Our schema is committed as the table gives it; an operator may bring the genuine one."""

from __future__ import annotations

import pytest

from gateway.links.sep2.codec import Sep2DecodeError, decode
from gateway.links.sep2.resources import ROOTS, Time
from gateway.links.sep2.schema import validator
from gateway.links.sep2.schema_writer import render
from gateway.links.sep2.shape import classes, own_parts, parts
from gateway.model.data import data_folder
from gateway.model.errors import ConfigError
from tests.interop.sep2.genuine import path_of

TIME = (
    b'<Time xmlns="urn:ieee:std:2030.5:ns" href="/tm"><currentTime>%b</currentTime>'
    b"<dstEndTime>0</dstEndTime><dstOffset>0</dstOffset><dstStartTime>0</dstStartTime>"
    b"<quality>4</quality><tzOffset>-18000</tzOffset></Time>"
)
#: Of the right namespace, but a type is missing.
DANGLING = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:ieee:std:2030.5:ns"'
    ' targetNamespace="urn:ieee:std:2030.5:ns"><xs:element name="a" type="b"/></xs:schema>'
)


def test_the_committed_schema_is_the_table_s():
    folder = data_folder("schemas") / "sep2"
    written = render()
    # else: python -m gateway.links.sep2.schema_writer
    assert {name: (folder / name).read_bytes() for name in written} == written
    assert {path.name for path in folder.glob("*.xsd")} == set(written)


def test_every_field_belongs_to_one_class_of_the_lineage():
    for cls in classes().values():
        lineage = [base for base in reversed(cls.__mro__) if base in classes().values()]
        own = [part.field for base in lineage for part in own_parts(base)]
        assert own == [part.field for part in parts(cls)]
    assert set(ROOTS) <= set(classes().values())


@pytest.mark.parametrize("path", [None, path_of(2018), path_of(2023)])
def test_a_document_is_judged_by_the_schema_it_is_given(path):
    schema = validator(path)
    assert decode(TIME % b"5", Time, schema=schema).current_time == 5
    with pytest.raises(Sep2DecodeError, match=r"/Time/currentTime: Element 'currentTime'"):
        decode(TIME % b"x", Time, schema=schema)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (None, 0, "cannot be read"),
        ("<a>\n<b></a>", 2, "not XML"),
        ('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>', 1, "not a schema of urn:ieee"),
        (
            DANGLING,
            0,
            "not a schema",
        ),
    ],
)
def test_a_path_that_is_no_schema_is_a_configuration_error(tmp_path, text, line, message):
    path = tmp_path / "sep.xsd"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        validator(path)
    (issue,) = caught.value.issues
    assert (issue.file, issue.line) == (str(path), line)
    assert "sep_xsd" in issue.remedy
