"""What happened while the link was away arrives once it is back, from every peer."""

from __future__ import annotations

import pytest

from tests.interop.dnp3.master_rig import device, running, tcp, until
from tests.interop.dnp3.peers_outstation import (
    dnp3py_outstation,
    py1815_outstation,
    yadnp3_outstation,
)
from tests.interop.dnp3.relay import relay

pytestmark = pytest.mark.interop

PEERS = {"dnp3py": dnp3py_outstation, "py1815": py1815_outstation, "yadnp3": yadnp3_outstation}


@pytest.mark.parametrize("start", PEERS.values(), ids=PEERS)
async def test_changes_during_an_outage_arrive_after_it(start):
    settings = {"timeout_s": 0.8, "scans": ((1.0, (1, 2, 3)),)}
    async with (
        start(5) as peer,
        relay(peer.port) as between,
        running(tcp(between.port, reconnect_max_s=0.1), [device(5, 0, **settings)]) as rig,
    ):
        await until(lambda: rig.state().integrity_polls > 0)
        peer.set_analog(1, 10.0, 1_700_000_000_000)
        await until(lambda: rig.value("d.AI1") == 10.0)
        between.cut()
        await until(lambda: not rig.good("d.AI1"))
        assert rig.state().losses == 1
        rig.changes.clear()
        for step in range(5):
            peer.set_analog(1, 20.0 + step, 1_700_000_001_000 + step)
        between.is_open = True
        await until(lambda: rig.good("d.AI1") and rig.value("d.AI1") == 24.0)
        seen = [one.value for one in rig.seen("d.AI1")]
        assert [value for value in seen if value >= 20.0][:5] == [20.0, 21.0, 22.0, 23.0, 24.0]
        # py1815 holds the poll back for 1 s, until it no longer hopes for a confirmation
        assert rig.state().timeouts == 0
        assert rig.state().early <= 1
