"""Transfers that have something to do: one received, one on its way, one agreed by half, one whose taker is looked for."""

from odoo.fields import Command

# What is passed on of the giver's stock.
SHARE = 0.1
CLERKS = {"north": "Sun Yue 孙悦", "south": "Huang Jun 黄俊"}


def transfers(world):
    world.company.dms_transfer_user_id = world.ref("user_manager")
    received = propose(world, "north", "south", "The shops of the north sell less of it than planned.")
    received.delivery_cost = world.company.currency_id.round(600 * world.price_scale)
    agree(world, received, "north", "south")
    speak(world, received, "north")._ship(CLERKS["north"], tracking="SF1029384756")
    received._receive(CLERKS["south"])
    under_way = propose(world, "south", "north", "North has promised it to its shops for the holidays.")
    agree(world, under_way, "north", "south")
    speak(world, under_way, "south")._ship(CLERKS["south"], tracking="SF5647382910")
    waiting = propose(world, "north", "south", "Two weeks of cover against three months.", rank=1)
    agree(world, waiting, "south")
    values = prepare(world, "south", None, "The campaign is over.", rank=1)
    offered = speak(world, waiting, "south").browse()._propose([values], CLERKS["south"])
    records = received | under_way | waiting | waiting.browse(offered.ids)
    world.name(records, [f"transfer_{number}" for number in range(1, 5)])


def prepare(world, giver, taker, reason, rank=0):
    """Values of a transfer of a part of what the giver has most of, or second most."""
    giver, taker = world.ref(f"distributor_{giver}"), taker and world.ref(f"distributor_{taker}")
    positions = world.env["dms.channel.position"].search([("partner_id", "=", giver.id)])
    if taker:
        covered = taker.dms_agreement_id._covered_products(positions.product_id, taker.territory_id)
        positions = positions.filtered(lambda position: position.product_id in covered)
    position = positions.sorted(lambda position: position.in_transit - position.quantity)[rank]
    quantity = max(round((position.quantity - position.in_transit) * SHARE), 1)
    line = {"product_id": position.product_id.id, "product_uom_qty": quantity}
    return {
        "giver_id": giver.id,
        "taker_id": bool(taker) and taker.id,
        "reason": reason,
        "user_id": world.ref("user_manager").id,
        "line_ids": [Command.create(line)],
    }


def propose(world, *args, **kwargs):
    transfer = world.env["dms.transfer"].create(prepare(world, *args, **kwargs))
    transfer.action_propose()
    return transfer


def speak(world, transfer, key):
    """The transfer in the hands of a distributor's clerk."""
    return transfer.with_user(world.ref(f"user_clerk_{key}"))


def agree(world, transfer, *keys):
    for key in keys:
        speak(world, transfer, key)._agree(CLERKS[key])
