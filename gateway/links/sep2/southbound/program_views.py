"""/derp: programs, their controls, curves and defaults."""

from __future__ import annotations

from bisect import bisect_right

from gateway.links.sep2.codec import encode_fragment
from gateway.links.sep2.resources import (
    DERControlList,
    DERCurveList,
    DERProgram,
    DERProgramList,
    Link,
    ListLink,
)
from gateway.links.sep2.serving.answers import NOT_FOUND, Answer, Ask
from gateway.links.sep2.southbound.controls import Controls
from gateway.links.sep2.southbound.documents import SUBSCRIBABLE, document, listing
from gateway.links.sep2.southbound.ground import Ground, number
from gateway.links.sep2.southbound.programs import Program, Programs
from gateway.links.sep2.southbound.routing import Endpoint, Routes


class ProgramViews:
    """What clients read of programs.

    Args:
        ground: settings.
        programs: all programs.
    """

    def __init__(self, ground: Ground, programs: Programs) -> None:
        self._ground = ground
        self._programs = programs

    def serve(self, routes: Routes) -> None:
        """Take the paths of programs."""
        routes.add("/derp", Endpoint(self._all))
        routes.add("/derp/*", Endpoint(self._one))
        routes.add("/derp/*/dderc", Endpoint(self._default))
        routes.add("/derp/*/derc", Endpoint(self._controls))
        routes.add("/derp/*/derc/*", Endpoint(self._control))
        routes.add("/derp/*/actderc", Endpoint(self._active))
        routes.add("/derp/*/dc", Endpoint(self._curves))
        routes.add("/derp/*/dc/*", Endpoint(self._curve))

    def list_of(self, ask: Ask, programs: list[Program]) -> Answer:
        """A DERProgramList of these."""
        return listing(
            ask,
            DERProgramList,
            programs,
            lambda program: encode_fragment(self._resource(program)),
            poll_rate=self._ground.config.poll_rates.der_program_list,
            subscribable=SUBSCRIBABLE,
        )

    def _resource(self, program: Program) -> DERProgram:
        self._programs.refresh(program)
        path, setup = program.path, program.setup
        default = None if setup.default is None else Link(f"{path}/dderc")
        return DERProgram(
            href=path,
            mrid=setup.mrid,
            description=setup.description or None,
            active_der_control_list_link=ListLink(f"{path}/actderc", len(program.controls.active)),
            default_der_control_link=default,
            der_control_list_link=ListLink(f"{path}/derc", len(program.controls.listed)),
            der_curve_list_link=ListLink(f"{path}/dc", len(program.curves)),
            primacy=setup.primacy,
        )

    def _find(self, ask: Ask) -> Program | None:
        return self._programs.find(ask.client, number(ask.free[0]))

    def _all(self, ask: Ask) -> Answer:
        return self.list_of(ask, self._programs.visible(ask.client))

    def _one(self, ask: Ask) -> Answer:
        program = self._find(ask)
        return NOT_FOUND if program is None else document(ask.client, self._resource(program))

    def _default(self, ask: Ask) -> Answer:
        program = self._find(ask)
        default = None if program is None else self._programs.default(program)
        return NOT_FOUND if default is None else document(ask.client, default)

    def _controls(self, ask: Ask) -> Answer:
        program = self._find(ask)
        return NOT_FOUND if program is None else _control_list(ask, program.controls, "derc")

    def _active(self, ask: Ask) -> Answer:
        program = self._find(ask)
        return NOT_FOUND if program is None else _control_list(ask, program.controls, "actderc")

    def _control(self, ask: Ask) -> Answer:
        program = self._find(ask)
        if program is None:
            return NOT_FOUND
        control = program.controls.by_number.get(number(ask.free[1]))
        if control is None or control.state is None:
            return NOT_FOUND
        return document(ask.client, control.control)

    def _curves(self, ask: Ask) -> Answer:
        program = self._find(ask)
        if program is None:
            return NOT_FOUND
        return listing(ask, DERCurveList, list(program.curves.values()), lambda entry: entry[1])

    def _curve(self, ask: Ask) -> Answer:
        program = self._find(ask)
        entry = None if program is None else program.curves.get(number(ask.free[1]))
        return NOT_FOUND if entry is None else document(ask.client, entry[0])


def _control_list(ask: Ask, controls: Controls, name: str) -> Answer:
    elements = controls.elements(name, csip_aus=ask.client.csip_aus)
    if ask.page.after is not None:
        shown = controls.listed if name == "derc" else controls.active
        first = bisect_right(shown, ask.page.after, key=lambda control: control.record.start)
        elements = elements[first:]
    return listing(ask, DERControlList, elements, bytes, subscribable=SUBSCRIBABLE)
