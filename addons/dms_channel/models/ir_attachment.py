import filecmp
import mimetypes
import os
import shutil
import tempfile
from pathlib import Path

from odoo import api, models
from odoo.exceptions import UserError

from ..tools.spool import digest


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    @api.model
    def _create_from_file(self, path, vals):
        """Create an attachment whose content is a copy of the file at ``path``, a piece at a time.

        Odoo's ``create`` takes bytes. Here the file goes under its checksum into the file store, as ``_file_write`` puts
        it there: complete under another name first, then renamed, so that nobody finds half of it; and it is put on the
        list of what is to be removed if the transaction is undone. Where attachments are kept in the database, its
        bytes are read. The content is not indexed for search.
        """
        name = vals.get("name") or Path(path).name
        vals = {"mimetype": mimetypes.guess_type(name)[0] or "application/octet-stream", **vals}
        if self._storage() != "file":
            return self.create({**vals, "raw": Path(path).read_bytes()})
        attachment = self.create(vals)
        checksum = digest(path, "sha1")
        fname = f"{checksum[:2]}/{checksum}"
        target = Path(self._full_path(fname))
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with (
                open(path, "rb") as source,
                tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as copy,
            ):
                shutil.copyfileobj(source, copy)
            os.chmod(copy.name, 0o644)
            self._mark_for_gc(fname)
            os.replace(copy.name, target)
        elif not filecmp.cmp(path, target, shallow=False):
            raise UserError(self.env._("The attachment collides with an existing file."))
        # as ``_set_attachment_data`` does: the model's own ``write`` takes these fields from nobody
        models.BaseModel.write(
            attachment.sudo(),
            {
                "store_fname": fname,
                "checksum": checksum,
                "file_size": os.path.getsize(path),
                "db_datas": False,
            },
        )
        return attachment

    def _get_content(self):
        """Answer the path of the attachment's file, or its bytes where it has none."""
        self.ensure_one()
        if self.store_fname:
            path = Path(self._full_path(self.store_fname))
            if path.is_file():
                return path
        return self.raw
