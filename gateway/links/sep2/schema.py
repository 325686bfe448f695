"""Judging documents by a schema: ours, or the genuine one where the operator has it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.links.sep2.elements import NAMESPACE
from gateway.links.sep2.schema_writer import MAIN
from gateway.model.data import data_folder
from gateway.model.errors import ConfigError, ConfigIssue
from gateway.model.xml_places import at


class Sep2Schema:
    """A schema, compiled by lxml.

    lxml's ``XMLSchema`` writes into one ``error_log`` that belongs to the object: two threads
    must not use it at once.

    Args:
        schema: compiled.
    """

    def __init__(self, schema: etree.XMLSchema) -> None:
        self._schema = schema
        self._lock = threading.Lock()

    def fault(self, root: etree._Element) -> tuple[etree._Element, str] | None:
        """The first thing wrong with a document: the element and what; None where nothing is."""
        with self._lock:
            if self._schema.validate(root):
                return None
            log: Any = self._schema.error_log  # lxml-stubs do not know that it is a sequence
            path, text = log[0].path, log[0].message
        found = at(root, path or "/*")
        return (root if found is None else found), text.replace(f"{{{NAMESPACE}}}", "")


def validator(path: Path | None = None) -> Sep2Schema:
    """The schema that bodies are judged by.

    Args:
        path: the genuine XSD, which may not come with Tieline; None takes our own.

    Raises:
        ConfigError: the file cannot be read, or is no schema of 2030.5.
    """
    if path is None:
        return Sep2Schema(etree.XMLSchema(etree.parse(data_folder("schemas") / "sep2" / MAIN)))
    try:
        tree = etree.parse(path)
        if tree.getroot().get("targetNamespace") != NAMESPACE:
            raise _config_error(path, 1, f"not a schema of {NAMESPACE}")
        return Sep2Schema(etree.XMLSchema(tree))
    except OSError as error:
        raise _config_error(path, 0, f"cannot be read: {error}") from None
    except etree.XMLSyntaxError as error:
        raise _config_error(path, error.position[0], f"not XML: {error.msg}") from None
    except etree.XMLSchemaParseError as error:
        raise _config_error(path, 0, f"not a schema: {error}") from None


def _config_error(path: Path, line: int, message: str) -> ConfigError:
    remedy = "give the sep.xsd of IEEE 2030.5, or leave sep_xsd out to use Tieline's own"
    return ConfigError([ConfigIssue(str(path), line, 0, message, remedy)])
