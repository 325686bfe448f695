"""Our own XML Schema of the resources, written out of their shape.

It takes what the 2018 edition takes and what the 2023 edition takes of these resources, and the
elements of CSIP-AUS where that profile has them. ``python -m gateway.links.sep2.schema_writer``
writes the files anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from gateway.links.sep2.elements import CSIP_AUS, NAMESPACE, Attribute, Element, Leaf
from gateway.links.sep2.resources import ROOTS, Link
from gateway.links.sep2.shape import Part, base_of, classes, own_parts
from gateway.model.data import data_folder

#: The files of the schema, in ``schemas/sep2``; the first one includes the others.
MAIN, PROFILE = "sep2.xsd", "csip_aus.xsd"

_XS = "http://www.w3.org/2001/XMLSchema"
#: What the 2023 edition has at the end of every type, for the editions after it.
_LATER = "Revision2_3Type"
_NOTE = " Tieline's own; written by gateway/links/sep2/schema_writer.py: do not edit. "


def render() -> dict[str, bytes]:
    """The files of the schema by their names."""
    return {MAIN: _bytes(_main()), PROFILE: _bytes(_profile())}


def _main() -> etree._Element:
    schema = _schema(NAMESPACE, "csipaus", CSIP_AUS)
    _add(schema, "import", namespace=CSIP_AUS, schemaLocation=PROFILE)
    for root in ROOTS:
        _add(schema, "element", name=root.__name__, type=root.__name__)
    for cls in classes().values():
        _resource(schema, cls)
    marked = [(part, part.mark) for part in _all_parts() if isinstance(part.mark, Element)]
    for name, base in sorted({_link(part, mark) for part, mark in marked if _is_link(part)}):
        extension = _extension(schema, base, name=name)
        _later(_add(extension, "sequence"), name)
        _any_attribute(extension)
    for name in sorted({_type_name(part.kind) for part, mark in marked if mark.control}):
        extension = _extension(schema, name, name=_controlled(name))
        _add(extension, "attribute", name="disabled", type="xs:boolean")
        _any_attribute(extension)
    leaves = {leaf.name: leaf for part in _all_parts() for leaf in _leaves(part.kind)}
    for name in sorted(leaves):
        _leaf(schema, leaves[name])
    later = _add(schema, "complexType", name=_LATER)
    _add(
        _add(later, "sequence"),
        "any",
        namespace="##targetNamespace",
        processContents="lax",
        maxOccurs="unbounded",
    )
    _any_attribute(later)
    return schema


def _profile() -> etree._Element:
    schema = _schema(CSIP_AUS, "sep", NAMESPACE)
    _add(schema, "import", namespace=NAMESPACE, schemaLocation=MAIN)
    types = {
        part.mark.name: _type_name(part.kind)
        for part in _all_parts()
        if isinstance(part.mark, Element) and part.mark.namespace == CSIP_AUS
    }
    for name, kind in types.items():
        _add(schema, "element", name=name, type=f"sep:{kind}")
    return schema


def _resource(schema: etree._Element, cls: type) -> None:
    base = base_of(cls)
    if base is None:
        holder = _add(schema, "complexType", name=cls.__name__)
    else:
        holder = _extension(schema, base.__name__, name=cls.__name__)
    own = own_parts(cls)
    sequence = _add(holder, "sequence")
    for part in own:
        if isinstance(part.mark, Element) and part.mark.namespace == NAMESPACE:
            _element(sequence, part, part.mark)
    _later(sequence, cls.__name__)
    if base is None:
        _add(
            sequence,
            "any",
            namespace="##other",
            processContents="lax",
            minOccurs="0",
            maxOccurs="unbounded",
        )
    else:
        for part in own:
            if isinstance(part.mark, Element) and part.mark.namespace == CSIP_AUS:
                _add(sequence, "element", ref=f"csipaus:{part.mark.name}", minOccurs="0")
    for part in own:
        if isinstance(part.mark, Attribute):
            use = {"use": "required"} if part.required else {}
            _add(holder, "attribute", name=part.mark.name, type=_type_name(part.kind), **use)
    _any_attribute(holder)


def _element(sequence: etree._Element, part: Part, mark: Element) -> None:
    kind = _type_name(part.kind)
    if mark.control:
        kind = _controlled(kind)
    elif _is_link(part):
        kind = _link(part, mark)[0]
    if part.many:
        least, most = mark.least, "unbounded" if mark.most is None else str(mark.most)
    else:
        least, most = int(part.required), "1"
    occurs = {} if least == 1 else {"minOccurs": str(least)}
    if most != "1":
        occurs["maxOccurs"] = most
    _add(sequence, "element", name=mark.name, type=kind, **occurs)


def _leaf(schema: etree._Element, leaf: Leaf) -> None:
    if isinstance(leaf.base, Leaf):
        content = _add(_add(schema, "complexType", name=leaf.name), "simpleContent")
        _any_attribute(_add(content, "extension", base=leaf.base.name))
    elif leaf.base:
        holder = _add(schema, "simpleType", name=leaf.name)
        restriction = _add(holder, "restriction", base=leaf.base)
        for facet, value in leaf.facets:
            _add(restriction, facet, value=str(value))


def _all_parts() -> Iterator[Part]:
    for cls in classes().values():
        yield from own_parts(cls)


def _leaves(kind: Leaf | type) -> Iterator[Leaf]:
    if isinstance(kind, Leaf):
        yield kind
        if isinstance(kind.base, Leaf):
            yield from _leaves(kind.base)


def _type_name(kind: Leaf | type) -> str:
    return kind.name if isinstance(kind, Leaf) else kind.__name__


def _is_link(part: Part) -> bool:
    kind = part.kind
    return isinstance(kind, type) and issubclass(kind, Link) and not _controls(part)


def _controls(part: Part) -> bool:
    return isinstance(part.mark, Element) and part.mark.control


def _link(part: Part, mark: Element) -> tuple[str, str]:
    """The type of a link's element, which is named like it, and the type it extends."""
    return mark.name, _type_name(part.kind)


def _controlled(name: str) -> str:
    return "DERCurveLink" if name == Link.__name__ else f"{name}ControlType"


def _schema(namespace: str, prefix: str, other: str) -> etree._Element:
    schema = etree.fromstring(
        f'<xs:schema xmlns:xs="{_XS}" xmlns="{namespace}" xmlns:{prefix}="{other}"'
        f' targetNamespace="{namespace}" elementFormDefault="qualified"/>'
    )
    schema.append(etree.Comment(_NOTE))
    return schema


def _extension(parent: etree._Element, base: str, /, **attributes: str) -> etree._Element:
    content = _add(_add(parent, "complexType", **attributes), "complexContent")
    return _add(content, "extension", base=base)


def _later(sequence: etree._Element, name: str) -> None:
    _add(sequence, "element", name=f"{name}_r2_3", type=_LATER, minOccurs="0")


def _any_attribute(holder: etree._Element) -> None:
    _add(holder, "anyAttribute", processContents="lax")


def _add(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_XS}}}{tag}", attributes)


def _bytes(schema: etree._Element) -> bytes:
    return etree.tostring(schema, pretty_print=True, xml_declaration=True, encoding="UTF-8")


if __name__ == "__main__":
    folder = data_folder("schemas") / "sep2"
    for file, text in render().items():
        (folder / file).write_bytes(text)
