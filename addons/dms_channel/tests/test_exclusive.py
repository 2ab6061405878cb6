import threading
from datetime import timedelta
from itertools import combinations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, tagged
from odoo.tests.common import get_db_name

from odoo.addons.dms_channel.tests.common import SIGNATURE, DmsChannelCommon


def exclusive_line(territory, categ=None, product=None):
    return Command.create(
        {
            "territory_id": territory.id,
            "exclusive": True,
            "categ_ids": [Command.set(categ.ids if categ else [])],
            "product_ids": [Command.set(product.ids if product else [])],
        }
    )


@tagged("post_install", "-at_install")
class TestExclusive(DmsChannelCommon):
    """Two active agreements never hold the same product in the same territory exclusively on the same day."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.agreement_north | cls.agreement_south).action_terminate()
        cls.today = fields.Date.today()
        cls.partners = [cls._create_distributor(f"D{n}", f"D{n}", "1000") for n in range(3)]
        cls.town = cls.env["dms.territory"].create(
            {"name": "Town", "parent_id": cls.territory_north.id, "zip_prefixes": "11"}
        )
        cls.teas = cls.env["product.category"].create({"name": "Teas", "parent_id": cls.categ_drinks.id})
        cls.product_tea.categ_id = cls.teas

    def _day(self, number):
        return self.today + timedelta(days=number)

    def _activate(self, partner, *lines, start=0, end=None):
        agreement = self.env["dms.agreement"].create(
            {
                "partner_id": partner.id,
                "date_start": self._day(start),
                "date_end": end is not None and self._day(end),
                "line_ids": list(lines),
            }
        )
        agreement.action_send()
        agreement._sign("Jane", SIGNATURE)
        agreement.action_activate()
        return agreement

    # Any sequence

    def _goods(self, index):
        return [{}, {"categ": self.categ_drinks}, {"categ": self.teas}, {"categ": self.categ_snacks}, {"product": self.product_tea}][index]  # fmt: skip

    def _rights(self, agreements):
        """The model: who may sell what where exclusively, leaf by leaf, product by product."""
        leaves = self.territory_south | self.town | self.territory_north
        return {
            (agreement, leaf, product)
            for agreement in agreements
            for line in agreement.line_ids.filtered("exclusive")
            for leaf in leaves
            if (leaf.parent_path).startswith(line.territory_id.parent_path)
            for product in self.product_tea | self.product_chips
            if line._covers(product)
        }

    def _share_day(self, one, other):
        return (one.date_end or fields.Date.to_date("9999-12-31")) >= other.date_start and (
            other.date_end or fields.Date.to_date("9999-12-31")
        ) >= one.date_start

    def _conflict(self, agreements):
        for one, other in combinations(agreements, 2):
            if not self._share_day(one, other):
                continue
            if one.partner_id == other.partner_id:
                return True
            mine, theirs = ({right[1:] for right in self._rights(a)} for a in (one, other))
            if mine & theirs:
                return True
        return False

    def _step(self, agreements, action, pick, partner, territory, goods, start, length):
        """Do one thing that people do; a refusal leaves no trace."""
        chosen = agreements[pick % len(agreements)] if agreements else None
        try:
            with self.env.cr.savepoint():
                if action == "draft" or not chosen:
                    agreement = self.env["dms.agreement"].create(
                        {
                            "partner_id": self.partners[partner].id,
                            "date_start": self._day(start),
                            "date_end": length and self._day(start + length),
                            "line_ids": [exclusive_line(territory, **self._goods(goods))],
                        }
                    )
                    agreement.action_send()
                    agreement._sign("Jane", SIGNATURE)
                    return agreement
                if action == "version":
                    new = chosen.browse(chosen.action_new_version()["res_id"])
                    if new.state == "draft":
                        new.write(
                            {"date_start": self._day(start), "date_end": length and self._day(start + length)}
                        )
                        new.action_send()
                        new._sign("Jane", SIGNATURE)
                        return new
                elif action == "activate":
                    chosen.action_activate()
                elif action == "terminate":
                    chosen.action_terminate()
                elif action == "move":
                    self.town.parent_id = territory
        except UserError:
            self.env.invalidate_all()
        return None

    def test_never_twice_whatever_the_sequence(self):
        steps = st.lists(
            st.tuples(
                st.sampled_from(
                    ["draft", "version", "activate", "activate", "activate", "terminate", "move"]
                ),
                st.integers(0, 20),
                st.integers(0, 2),
                st.sampled_from(["country", "north", "south", "town"]),
                st.integers(0, 4),
                st.integers(0, 30),
                st.sampled_from([0, 5, 20]),
            ),
            min_size=4,
            max_size=14,
        )

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(steps)
        def check(sequence):
            savepoint = self.env.cr.savepoint()
            places = {"country": self.territory_country, "north": self.territory_north, "south": self.territory_south, "town": self.town}  # fmt: skip
            agreements = []
            for action, pick, partner, place, goods, start, length in sequence:
                made = self._step(agreements, action, pick, partner, places[place], goods, start, length)
                if made:
                    agreements.append(made)
                active = [agreement for agreement in agreements if agreement.state == "active"]
                self.assertFalse(self._conflict(active), sequence)
            savepoint.rollback()
            savepoint.close()
            self.env.invalidate_all()

        check()

    def test_a_refusal_is_right(self):
        """What does not conflict is not refused: any two agreements, compared with the model."""
        country, north, south, town = (
            self.territory_country,
            self.territory_north,
            self.territory_south,
            self.town,
        )
        for mine, theirs in combinations((country, north, south, town), 2):
            for goods in range(5):
                for others in range(5):
                    with self.subTest(mine=mine.name, theirs=theirs.name, goods=goods, others=others):
                        savepoint = self.env.cr.savepoint()
                        first = self._activate(self.partners[0], exclusive_line(mine, **self._goods(goods)))
                        second = self._step([], "draft", 0, 1, theirs, others, 0, 0)
                        expected = not self._conflict([first, second])
                        self._step([second], "activate", 0, 1, theirs, others, 0, 0)
                        self.assertEqual(second.state == "active", expected)
                        savepoint.rollback()
                        savepoint.close()
                        self.env.invalidate_all()

    # What the lines point to

    def test_a_territory_may_not_be_moved_into_another_exclusive_one(self):
        self._activate(self.partners[0], exclusive_line(self.territory_south))
        self._activate(self.partners[1], exclusive_line(self.town))
        with self.assertRefused("of D1 .*of D0 .*would both be exclusive", ValidationError):
            self.town.parent_id = self.territory_south
        self.assertEqual(self.town.parent_id, self.territory_north)

    def test_goods_may_not_be_moved_into_another_exclusive_category(self):
        self._activate(self.partners[0], exclusive_line(self.town, categ=self.categ_snacks))
        self._activate(self.partners[1], exclusive_line(self.town, product=self.product_tea))
        with self.assertRefused("would both be exclusive", ValidationError):
            self.product_tea.product_tmpl_id.categ_id = self.categ_snacks
        with self.assertRefused("would both be exclusive", ValidationError):
            self.teas.parent_id = self.categ_snacks
        self.product_chips.product_tmpl_id.categ_id = self.teas

    def test_another_companys_agreements_do_not_collide(self):
        other = self.setup_other_company()["company"]
        self._activate(self.partners[0], exclusive_line(self.town))
        theirs = (
            self.env["dms.agreement"]
            .with_company(other)
            .create(
                {
                    "partner_id": self.partners[1].id,
                    "company_id": other.id,
                    "line_ids": [exclusive_line(self.town)],
                }
            )
        )
        theirs.action_send()
        theirs._sign("Jane", SIGNATURE)
        theirs.action_activate()
        self.assertEqual(theirs.state, "active")
        with self.assertRefused("of another company uses it", ValidationError):
            self.town.company_id = self.company


@tagged("post_install", "-at_install")
class TestExclusiveConcurrent(BaseCase):
    """Two people put two agreements in force at the same moment, each in a transaction of its own."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(get_db_name())
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {"tracking_disable": True})
            territory = env["dms.territory"].create({"name": "Contested", "code": "CONTESTED"})
            partners = env["res.partner"].create(
                [
                    {
                        "name": f"Rival {n}",
                        "is_company": True,
                        "channel_role": "distributor",
                        "ref": f"RIVAL-{n}",
                    }
                    for n in range(2)
                ]
            )
            agreements = env["dms.agreement"].create(
                [{"partner_id": partner.id, "line_ids": [exclusive_line(territory)]} for partner in partners]
            )
            agreements.action_send()
            for agreement in agreements:
                agreement._sign("Jane", SIGNATURE)
            self.territory_id, self.partner_ids, self.agreement_ids = (
                territory.id,
                partners.ids,
                agreements.ids,
            )
        self.addCleanup(self._clean_up)

    def _clean_up(self):
        """An agreement that was sent can't be deleted through the model."""
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            agreements = env["dms.agreement"].browse(self.agreement_ids)
            (agreements.message_ids | env["res.partner"].browse(self.partner_ids).message_ids).unlink()
            agreements.activity_ids.unlink()
            env["ir.attachment"].search(
                [("res_model", "=", "dms.agreement"), ("res_id", "in", self.agreement_ids), ("res_field", "in", [False, "signature"])]
            ).unlink()  # fmt: skip
            env.flush_all()
            cr.execute("DELETE FROM dms_agreement WHERE id IN %s", [tuple(self.agreement_ids)])
            env.invalidate_all()
            env["mail.followers"].search(
                [("res_model", "=", "dms.agreement"), ("res_id", "in", self.agreement_ids)]
            ).unlink()
            env["res.partner"].browse(self.partner_ids).unlink()
            env["dms.territory"].browse(self.territory_id).unlink()

    def test_one_of_two_wins(self):
        first, second = self.agreement_ids
        failures = []

        def activate_second():
            with self.registry.cursor() as cursor:
                env = api.Environment(cursor, SUPERUSER_ID, {})
                # Its snapshot is from before the first one commits.
                self.assertEqual(env["dms.agreement"].browse(first).state, "signed")
                started.set()
                try:
                    env["dms.agreement"].browse(second).action_activate()
                    cursor.commit()
                except Exception as error:
                    failures.append(error)
                    cursor.rollback()

        started = threading.Event()
        with self.registry.cursor() as cursor:
            env = api.Environment(cursor, SUPERUSER_ID, {})
            env["dms.agreement"].browse(first).action_activate()
            env.flush_all()
            thread = threading.Thread(target=activate_second)
            thread.start()
            started.wait(30)
            thread.join(2)
            self.assertTrue(thread.is_alive(), "it waits for the first one")
            cursor.commit()
        thread.join(60)
        self.assertEqual([type(failure) for failure in failures], [SerializationFailure])
        # Odoo tries a request again after such a failure: now it sees the other agreement and says so.
        with (
            self.assertRaisesRegex(ValidationError, "would both be exclusive"),
            self.registry.cursor() as cursor,
        ):
            api.Environment(cursor, SUPERUSER_ID, {})["dms.agreement"].browse(second).action_activate()
        with self.registry.cursor() as cursor:
            agreements = api.Environment(cursor, SUPERUSER_ID, {})["dms.agreement"].browse(self.agreement_ids)
            self.assertEqual(agreements.mapped("state"), ["active", "signed"])
