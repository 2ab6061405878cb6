import json
from functools import partial

from odoo import api, fields, models
from odoo.tools import SQL, format_date, formatLang

from ..tools.order_judge import STOPPING

# How many lines a sentence names before it counts the rest.
NAMED = 5


class DmsOrderCheck(models.Model):
    """What one rule found of one order, kept in figures. Only the rules write it.

    The sentence is made anew for each reader, in the reader's language: ``_say_<kind>(met, figures, company)``.
    """

    _name = "dms.order.check"
    _description = "Order Check"
    _order = "id"
    _rec_name = "message"
    # Each confirmation adds a row per rule: its date says when, and who is on the order.
    _log_access = False

    order_id = fields.Many2one("sale.order", required=True, index=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="order_id.company_id", store=True)
    rule_id = fields.Many2one("dms.order.rule", ondelete="set null", index=True, readonly=True)
    rule_name = fields.Char(required=True, readonly=True, help="Name of the rule when it was applied.")
    kind = fields.Char(string="Condition", readonly=True, help="Kind of the rule when it was applied.")
    is_met = fields.Boolean(
        string="Condition Met", readonly=True, help="The order is as the rule's condition asks."
    )
    outcome = fields.Selection(
        [
            ("pass", "Passed"),
            ("approve", "Approves"),
            ("skip", "Does Not Apply"),
            ("waived", "Hold Lifted"),
            ("hold", "Held"),
            ("refuse", "Refused"),
        ],
        required=True,
        readonly=True,
        help="Hold Lifted: the rule would hold the order, but a rule before it approves it.",
    )
    message = fields.Char(string="Reason", compute="_compute_message", search="_search_message")
    text = fields.Char(
        readonly=True,
        help="The reason in the language of whoever had the order checked, kept for what stopped it.",
    )
    figures = fields.Json(readonly=True, help="The numbers that decided, by name.")
    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    superseded = fields.Boolean(readonly=True, help="The rules have been applied again since.")
    group_id = fields.Many2one(related="rule_id.group_id")

    @api.depends("figures", "is_met", "kind", "outcome", "rule_id.message", "text")
    @api.depends_context("lang")
    def _compute_message(self):
        for check in self:
            # Once the rule is deleted only the text knows what it had to add.
            check.message = check.text if check.text and not check.sudo().rule_id else check._get_sentence()

    def _search_message(self, operator, value):
        return [("text", operator, value)]

    def _get_sentence(self):
        """The finding in the reader's language; the text of that day where the kind is not known any more."""
        self.ensure_one()
        check_sudo = self.sudo()
        sentence = self._say(self.kind, self.is_met, self.figures, check_sudo.company_id)
        if sentence is None:
            return self.text or self.rule_name
        if self.outcome in STOPPING and check_sudo.rule_id.message:
            sentence = f"{sentence} {check_sudo.rule_id.message}"
        return sentence

    @api.model
    def _keep(self, orders, checks):
        """Add what the rules found of orders, in one statement; what they had found before is history now.

        :param list[dict] checks: values as :meth:`dms.order.rule._evaluate` gives them
        """
        if decided := orders.filtered("dms_state"):
            decided._dms_supersede()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO dms_order_check
                       (order_id, company_id, rule_id, rule_name, kind, is_met, outcome, text, figures, date)
                SELECT order_id, sale_order.company_id, rule_id, rule_name, kind, is_met, outcome, text, figures, %s
                  FROM jsonb_to_recordset(%s::jsonb)
                       AS found (order_id int, rule_id int, rule_name varchar, kind varchar, is_met bool,
                                 outcome varchar, text varchar, figures jsonb)
                  JOIN sale_order ON sale_order.id = order_id
                """,
                fields.Datetime.now(),
                json.dumps([vals | {"text": vals["text"] or None} for vals in checks]),
            )
        )
        orders.invalidate_recordset(["dms_check_ids", "dms_reason"])

    # Sentences

    @api.model
    def _say(self, kind, met, figures, company):
        """One sentence for what a rule of ``kind`` found, or None where the figures can't be read.

        :param bool met: whether the order is as the condition asks
        :param dict figures: as the rule's ``_judge_<kind>`` left them
        """
        sayer = getattr(self, f"_say_{kind}", None)
        try:
            sentence = sayer and sayer(met, figures, company)
            if sentence and figures.get("parts"):
                parts = self.env._(
                    "It was split off from %s, and counts together with it.", ", ".join(figures["parts"])
                )
                sentence = f"{sentence} {parts}"
            return sentence
        except (KeyError, TypeError):
            # Figures of an earlier version of the kind.
            return None

    def _format_amount(self, amount, company):
        return formatLang(self.env, amount, currency_obj=company.currency_id)

    def _format_number(self, number):
        return f"{number:,.2f}".rstrip("0").rstrip(".")

    def _get_product_name(self, item):
        """Name of the product of a figure in the reader's language; that of the day where it was deleted since."""
        product_sudo = self.env["product.product"].sudo().browse(item["product"]).exists()
        return product_sudo.display_name or item["name"]

    def _list(self, items, phrase=None):
        """Enumerate products, each as ``phrase(item)`` says it (default: its name)."""
        parts = [(phrase or self._get_product_name)(item) for item in items[:NAMED]]
        if len(items) > NAMED:
            parts.append(self.env._("%s more", len(items) - NAMED))
        return "; ".join(parts) if phrase else ", ".join(parts)

    def _say_credit_limit(self, met, figures, company):
        if not figures["limit"]:
            return self.env._("No credit limit is agreed upon.")
        parts = {
            name: self._format_amount(figures[name], company)
            for name in ("exposure", "unpaid", "delivered", "open_orders", "order", "limit")
        }
        if met:
            return self.env._(
                "The credit exposure of %(exposure)s stays within the limit of %(limit)s.", **parts
            )
        return self.env._(
            "The credit exposure would be %(exposure)s (unpaid invoices %(unpaid)s, deliveries not invoiced"
            " %(delivered)s, confirmed orders %(open_orders)s, this order %(order)s), over the limit of %(limit)s by"
            " %(excess)s.",
            **parts,
            excess=self._format_amount(figures["exposure"] - figures["limit"], company),
        )

    def _say_overdue(self, met, figures, company):
        if not figures["days"]:
            return self.env._("No invoice is overdue.")
        parts = {
            "days": figures["days"],
            "accepted": figures["accepted"],
            "due": format_date(self.env, figures["due"]),
        }
        if met:
            return self.env._(
                "The oldest unpaid invoice was due on %(due)s, %(days)s days ago; %(accepted)s are accepted.",
                **parts,
            )
        return self.env._(
            "The oldest unpaid invoice was due on %(due)s, %(days)s days ago; only %(accepted)s are accepted.",
            **parts,
        )

    def _say_standing(self, met, figures, company):
        grades_sudo = self.env["res.partner.grade"].sudo()
        grade = grades_sudo.browse(figures["grade"]).exists().name or self.env._("none")
        wanted = grades_sudo.browse(figures["grade_min"]).exists().name
        parts = {"points": figures["points"], "wanted": figures["points_min"], "grade": grade}
        if figures["points_min"] is not False and wanted:
            parts["grade_min"] = wanted
            if met:
                return self.env._(
                    "%(points)s credit points and grade %(grade)s; at least %(wanted)s points and grade %(grade_min)s are"
                    " asked for.",
                    **parts,
                )
            return self.env._(
                "Only %(points)s credit points and grade %(grade)s, where %(wanted)s points and grade %(grade_min)s are"
                " asked for.",
                **parts,
            )
        if wanted:
            if met:
                return self.env._(
                    "Grade %(grade)s; at least %(grade_min)s is asked for.", grade=grade, grade_min=wanted
                )
            return self.env._(
                "The grade is %(grade)s, where at least %(grade_min)s is asked for.",
                grade=grade,
                grade_min=wanted,
            )
        if met:
            return self.env._("%(points)s credit points; at least %(wanted)s are asked for.", **parts)
        return self.env._("Only %(points)s credit points, where %(wanted)s are asked for.", **parts)

    def _say_agreement(self, met, figures, company):
        if not figures["agreement"]:
            return self.env._(
                "%(partner)s has no active agreement on %(date)s.",
                partner=figures["partner"],
                date=format_date(self.env, figures["date"]),
            )
        if met:
            return self.env._("All products are covered by agreement %s.", figures["agreement"])
        if figures["territory"]:
            return self.env._(
                "Agreement %(agreement)s does not cover %(products)s for %(territory)s.",
                agreement=figures["agreement"],
                products=self._list(figures["outside"]),
                territory=figures["territory"],
            )
        return self.env._(
            "Agreement %(agreement)s does not cover %(products)s.",
            agreement=figures["agreement"],
            products=self._list(figures["outside"]),
        )

    def _say_amount(self, met, figures, company):
        def amount(value):
            return self._format_amount(value, company)

        return self._say_bounds(met, figures, amount)

    def _say_quantity(self, met, figures, company):
        def quantity(value):
            number = self._format_number(value)
            return self.env._("%s cases", number) if figures["in_cases"] else self.env._("%s units", number)

        return self._say_bounds(met, figures, quantity)

    def _say_bounds(self, met, figures, show):
        low, high = figures["min"], figures["max"]
        if low and high:
            range_ = self.env._("between %(low)s and %(high)s", low=show(low), high=show(high))
        else:
            range_ = self.env._("at most %s", show(high)) if high else self.env._("at least %s", show(low))
        if figures["scope"] == "order":
            value = show(figures["value"])
            if met:
                return self.env._(
                    "The order comes to %(value)s; %(range)s is allowed for one order.",
                    value=value,
                    range=range_,
                )
            return self.env._(
                "The order comes to %(value)s, but %(range)s is allowed for one order.",
                value=value,
                range=range_,
            )
        if met:
            return (
                self.env._("Every line comes to %s.", range_)
                if figures["scope"] == "line"
                else self.env._("Every product comes to %s.", range_)
            )
        names = self._list(
            figures["outside"],
            lambda item: self.env._(
                "%(product)s: %(value)s", product=self._get_product_name(item), value=show(item["value"])
            ),
        )
        if figures["scope"] == "line":
            return self.env._(
                "Each line must come to %(range)s, which is not so for %(names)s.", range=range_, names=names
            )
        return self.env._(
            "Each product must come to %(range)s, which is not so for %(names)s.", range=range_, names=names
        )

    def _say_quantity_case(self, met, figures, company):
        if met:
            return self.env._("All quantities are whole cases.")
        return self.env._(
            "Not whole cases: %s.",
            self._list(
                figures["lines"],
                lambda item: self.env._(
                    "%(product)s: %(quantity)s %(unit)s in cases of %(size)s",
                    product=self._get_product_name(item),
                    quantity=self._format_number(item["quantity"]),
                    unit=item["unit"],
                    size=self._format_number(item["case"]),
                ),
            ),
        )

    def _say_price(self, met, figures, company):
        percent = self._format_number(figures["percent"])
        retail = figures["basis"] == "guidance"
        if met:
            if retail:
                return self.env._("No price is more than %s %% below the guidance retail price.", percent)
            return self.env._("No price is more than %s %% below the price list.", percent)
        names = self._list(figures["lines"], partial(self._say_price_item, figures["currency_id"]))
        if retail:
            return self.env._(
                "More than %(percent)s %% below the guidance retail price: %(names)s.",
                percent=percent,
                names=names,
            )
        return self.env._(
            "More than %(percent)s %% below the price list: %(names)s.", percent=percent, names=names
        )

    def _say_price_item(self, currency_id, item):
        currency_sudo = self.env["res.currency"].sudo().browse(currency_id)
        return self.env._(
            "%(product)s at %(price)s instead of %(guidance)s (%(below)s %% below)",
            product=self._get_product_name(item),
            price=formatLang(self.env, item["price"], currency_obj=currency_sudo),
            guidance=formatLang(self.env, item["guidance"], currency_obj=currency_sudo),
            below=self._format_number(item["below"]),
        )

    def _say_first_order(self, met, figures, company):
        if met:
            return self.env._("%s earlier orders were confirmed.", figures["earlier"])
        return self.env._("This is the first order; none was confirmed before.")

    def _say_usual_size(self, met, figures, company):
        if "median" not in figures:
            return self.env._(
                "%(earlier)s earlier orders in %(months)s months; it takes %(needed)s to know the usual size.",
                earlier=figures["earlier"],
                months=figures["months"],
                needed=figures["needed"],
            )
        parts = {name: self._format_amount(figures[name], company) for name in ("order", "median", "most")}
        parts["earlier"] = figures["earlier"]
        if met:
            return self.env._(
                "The order of %(order)s is of the usual size (median of %(earlier)s earlier orders %(median)s, up to"
                " %(most)s is usual).",
                **parts,
            )
        return self.env._(
            "The order of %(order)s is unusually large: the median of %(earlier)s earlier orders is %(median)s, up to"
            " %(most)s is usual.",
            **parts,
        )

    def _say_cover(self, met, figures, company):
        sentences = []
        if figures["over"]:
            sentences.append(
                self.env._(
                    "After this order the stock would last longer than %(days)s days: %(names)s.",
                    days=figures["days"],
                    names=self._list(figures["over"], self._say_cover_item),
                )
            )
        if figures["unknown"]:
            sentences.append(
                self.env._(
                    "Nothing is known of the sell-through of %s, so nobody can say how long the stock would last.",
                    self._list(figures["unknown"]),
                )
            )
        if figures["new"]:
            sentences.append(self.env._("New to the distributor: %s.", self._list(figures["new"])))
        if met and figures["worst"]:
            sentences.insert(
                0,
                self.env._(
                    "After this order no stock lasts longer than %(days)s days; the longest is %(name)s.",
                    days=figures["days"],
                    name=self._say_cover_item(figures["worst"]),
                ),
            )
        return " ".join(sentences) or self.env._("The order holds no product whose stock is known.")

    def _say_cover_item(self, item):
        return self.env._(
            "%(product)s %(days)s days (%(stock)s in stock, %(transit)s in transit, %(on_order)s on order, %(order)s with"
            " this order, %(daily)s sold a day)",
            product=self._get_product_name(item),
            days=self.env._("over %s", 998)
            if item["days"] >= 999
            else self._format_number(round(item["days"])),
            stock=self._format_number(item["stock"]),
            transit=self._format_number(item["in_transit"]),
            on_order=self._format_number(item["on_order"]),
            order=self._format_number(item["order"]),
            daily=self._format_number(item["daily"]),
        )

    def _say_domain(self, met, figures, company):
        if figures.get("split"):
            return self.env._(
                "The whole order, before it was split, matched the condition of rule “%s”.", figures["rule"]
            )
        if figures["matches"]:
            return self.env._("The order matches the condition of rule “%s”.", figures["rule"])
        return self.env._("The order does not match the condition of rule “%s”.", figures["rule"])
