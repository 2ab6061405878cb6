from odoo import models

from ..tools.words import format_quantity

#: What a line of outlet master data says beside its codes: {field: key of ``details``}.
DETAIL_FIELDS = {
    "outlet_name": "name",
    "street_text": "street",
    "city_text": "city",
    "zip_text": "zip",
    "state_text": "state",
    "country_text": "country",
    "phone_text": "phone",
    "email_text": "email",
    "contact_text": "contact",
    "status_text": "status",
}


class DmsFeedLineWords(models.AbstractModel):
    """What is wrong with a line, and how to mend it, in words. A part of ``dms.feed.line``, which inherits it."""

    _name = "dms.feed.line.words"
    _description = "Reasons of a Feed Line in Words"

    def _get_message(self, issue):
        """Answer in words what is wrong and how to mend it, in the reader's language."""
        earlier = self.duplicate_of_id
        values = {
            "distributor": self.distributor_code or "",
            "outlet": self.outlet_code or "",
            "product": self.product_code or "",
            "date": self.date_text or "",
            "quantity": self.quantity_text or "",
            "unit": self.unit_text or "",
            "price": self.price_text or "",
            "amount": self.amount_text or "",
            "returned": self.returned_text or "",
            "batch": self.batch_code or "",
            "device": self.device_code or "",
            "sender": self.feed_id.partner_id.display_name or "",
            **{name: (self.details or {}).get(key, "") for name, key in DETAIL_FIELDS.items()},
            "earlier": self._get_earlier_text(earlier),
        } | ((self.figures or {}).get(issue) or {})
        messages = {
            "cell_too_long": lambda: self.env._("A text of this row is longer than 200 characters; perhaps a quotation mark in the file is never closed. Enter the right text."),
            "formula": lambda: self.env._("This row holds a formula or a text that begins like one. Enter the value itself."),
            "distributor_missing": lambda: self.env._("The row does not say which distributor it is about. Enter the distributor's code."),
            "distributor_unknown": lambda: self.env._('No distributor has the code "%(distributor)s". Correct the code, or give the distributor this reference.', **values),
            "distributor_ambiguous": lambda: self.env._('Several distributors have the code "%(distributor)s". Give each its own reference.', **values),
            "distributor_other": lambda: self.env._('%(sender)s sent this file, but the row is about "%(distributor)s". Remove the code, or let that distributor send it.', **values),
            "outlet_unknown": lambda: self.env._('No outlet has the code "%(outlet)s". Correct the code, or say once which outlet it is (Map Codes).', **values),
            "outlet_other": lambda: self.env._('The outlet "%(outlet)s" is not supplied by this distributor. Correct the code, or map it to the right outlet.', **values),
            "outlet_sender": lambda: self.env._('%(sender)s sent this file, but the row is about the outlet "%(outlet)s". Remove the code, or let that outlet send it.', **values),
            "product_missing": lambda: self.env._("The row has no product code. Enter it."),
            "product_unknown": lambda: self.env._('No product has the code or barcode "%(product)s". Correct the code, or say once which product it is (Map Codes).', **values),
            "product_inactive": lambda: self.env._('The product "%(product)s" is archived. Map the code to its successor, or restore the product.', **values),
            "product_ambiguous": lambda: self.env._('Several products have the code "%(product)s". Say once which one it is (Map Codes).', **values),
            "date_missing": lambda: self.env._("The row has no date. Enter it as 2025-12-31."),
            "date_unreadable": lambda: self.env._('"%(date)s" is no date between 1990 and 2100. Enter it as 2025-12-31.', **values),
            "date_future": lambda: self.env._('The date "%(date)s" is in the future. Correct it, or check again once the day has come.', **values),
            "quantity_missing": lambda: self.env._("The row has no quantity. Enter it; 0 is allowed."),
            "quantity_unreadable": lambda: self.env._('"%(quantity)s" is no number that can be a quantity. Enter it as 1234.5.', **values),
            "quantity_negative": lambda: self.env._("The quantity is negative. Enter what was sold (or counted) as a positive number, and what was brought back under Returned."),
            "returned_unreadable": lambda: self.env._('"%(returned)s" is no number that can be a returned quantity. Enter it as 1234.5.', **values),
            "returned_negative": lambda: self.env._("The returned quantity is negative. Enter it as a positive number."),
            "unit_unknown": lambda: self.env._('No unit is called "%(unit)s". Correct it, leave it empty for the product\'s own unit, or map it (Map Codes).', **values),
            "unit_incompatible": lambda: self.env._('The product is not measured in "%(unit)s". Enter a unit of the same kind as the product\'s own.', **values),
            "price_unreadable": lambda: self.env._('"%(price)s" is no price. Enter it as 1234.50, or leave it empty.', **values),
            "price_negative": lambda: self.env._("The price is negative. Enter it as a positive number."),
            "amount_unreadable": lambda: self.env._('"%(amount)s" is no amount. Enter it as 1234.50, or leave it empty.', **values),
            "amount_negative": lambda: self.env._("The amount is negative though the quantity is not. Enter what was brought back under Returned."),
            "count_outlet": lambda: self.env._("A stock count is of the distributor's own stock. Leave the outlet empty."),
            "count_twice": lambda: self.env._("Another row counts this product on the same day. Keep one row for each product and day, with the sum."),
            "conflict": lambda: self.env._("%(earlier)s already reports %(sold)s sold and %(brought)s returned for the same outlet, product and day. If this row corrects it, press Replace; if it is another sale, give it a reference of its own.", sold=format_quantity(self.env, earlier.quantity), brought=format_quantity(self.env, earlier.returned), **values),
            "duplicate": lambda: self.env._("%(earlier)s already says the same. Nothing to do; if it is another sale, give it a reference of its own.", **values),
            "window_closed": lambda: self.env._("This day was due by %(due)s, with corrections for %(days)s days. Report earlier, or ask the brand to take it all the same.", **values),
            "territory_outside": lambda: self.env._('The outlet "%(outlet)s" lies in %(territory)s, outside the agreement. Correct the outlet, or say why it was supplied.', **values),
            "quantity_far": lambda: self.env._("%(value)s is far from what is usual here: %(usual)s, between %(low)s and %(high)s. Correct it (perhaps a unit is missing), or say why it is right.", **values),
            "price_far": lambda: self.env._("A price of %(value)s is far from what is usual here: %(usual)s, between %(low)s and %(high)s. Correct it, or say why it is right.", **values),
            "stock_short": lambda: self.env._("%(sold)s sold, but only %(stock)s were there. Correct it, send a stock count, or say why it is right.", **values),
            "similar": lambda: self.env._("Row %(row)s of %(feed)s has the same figures on %(date)s. If it is the same sale, remove this line; else say that it is another one.", **values),
            "return_twice": lambda: self.env._("Row %(row)s of %(feed)s, a report of sales, says that %(brought)s came back that day. If it is the same, remove this line; else say that it is another return.", **values),
            "batch_unknown": lambda: self.env._('No batch of this product is called "%(batch)s". It is booked without one.', **values),
            "outlet_closed": lambda: self.env._('The outlet "%(outlet)s" is closed since %(closed)s. Correct the code or the date, or say why it is right.', **values),
            "device_missing": lambda: self.env._("The row does not say which device read the shelf. Enter its code."),
            "device_unknown": lambda: self.env._('It is not known where the device "%(device)s" is. Say once which outlet it stands in (Map Codes), or enter the outlet.', **values),
            "moment_unreadable": lambda: self.env._('"%(date)s" is no date and time. Enter it as 2025-12-31 14:30, or with its zone as 2025-12-31T14:30:00+08:00.', **values),
            "time_missing": lambda: self.env._('"%(date)s" has no time of day. Enter it as 2025-12-31 14:30.', **values),
            "reading_twice": lambda: self.env._('Another reading of the device "%(device)s" at the same time says something else. Keep the right one.', **values),
            "outlet_missing": lambda: self.env._("The row has no code for the outlet. Enter the one that you use."),
            "name_missing": lambda: self.env._("The row has no name. Enter the outlet's name."),
            "phone_unreadable": lambda: self.env._('"%(phone_text)s" is no phone number. A spreadsheet may have shortened it: enter all digits, as text.', **values),
            "email_unreadable": lambda: self.env._('"%(email_text)s" is no email address. Correct it, or leave it empty.', **values),
            "status_unknown": lambda: self.env._('"%(status_text)s" says neither open nor closed. Enter one of the two, or leave it empty.', **values),
            "country_unknown": lambda: self.env._('No country is called "%(country_text)s". Enter its name or its code of two letters.', **values),
            "state_unknown": lambda: self.env._('No state or province of the country is called "%(state_text)s". Correct it, or say why it may be left out.', **values),
            "outlet_twice": lambda: self.env._('Another row says something else about the outlet "%(outlet)s". Keep the right one.', **values),
            "outlet_in_use": lambda: self.env._('"%(outlet)s" can\'t be closed yet: it has an open order, or somebody signs in with it. Finish that first.', **values),
            "outlet_elsewhere": lambda: self.env._('"%(outlet)s" is the reference of an outlet that this distributor does not supply. That one stays as it is; if yours is another shop, say so, and it is added beside it.', **values),
            "outlet_similar": lambda: self.env._("It looks like %(known)s (%(code)s). If it is the same shop, enter that code; else say that it is another one.", **values),
            "outlet_taken": lambda: self.env._("A shop with this name and address is known already, supplied by somebody else. Ask the brand who supplies it."),
        }  # fmt: skip
        if issue == "duplicate" and self.feed_id.kind == "outlet" and not earlier:
            return self.env._("The outlet is known just so. Nothing to do.")
        if issue == "duplicate" and self.feed_id.kind == "sensor" and not earlier:
            return self.env._("This reading came before. Nothing to do.")
        if issue == "quantity_negative" and self.feed_id.kind == "returns":
            return self.env._(
                "The quantity has another sign than the others. Enter what came back as they are written, without taking anything back."
            )
        return messages[issue]()

    def _get_earlier_text(self, earlier):
        if not earlier:
            return self.env._("An earlier line")
        if earlier.feed_id == self.feed_id:
            return self.env._("Row %(row)s", row=earlier.row)
        return self.env._("Row %(row)s of %(feed)s", row=earlier.row, feed=earlier.feed_id.name)
