"""The public page of a code under an open load, beside Odoo's trivial route on the same server.

Requests come at a fixed pace whatever the answers do, and each is timed from the moment it was due, so that a stalled server is not flattered.
DMS_BENCH_CODES sets the codes stored (10,000,000), DMS_BENCH_SECONDS the length of each load (20).
"""

import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from odoo.tools import config

sys.path.insert(0, os.path.join(os.environ["DMS_CHECKOUT"], "tests", "bench"))

from measure import measure, table

CODES = int(os.environ.get("DMS_BENCH_CODES", "10000000"))
SECONDS = int(os.environ.get("DMS_BENCH_SECONDS", "20"))
LARGEST = 10_000_000  # codes of an order
PACE = 50  # requests a second
PORT = 8969
THREADS = 32


def load(paths):
    """Ask for `paths` at the pace -> seconds of each from when it was due, statuses.

    Each request comes from another phone in another network: the page slows down those that ask too often.
    """
    due = [time.perf_counter() + 0.5 + number / PACE for number in range(len(paths))]
    seconds, statuses, turn, lock = [], {}, iter(range(len(paths))), threading.Lock()

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        while True:
            with lock:
                number = next(turn, None)
            if number is None:
                break
            time.sleep(max(due[number] - time.perf_counter(), 0))
            try:
                headers = {
                    "User-Agent": f"Phone {number}",
                    "X-Forwarded-For": f"10.{number >> 8 & 255}.{number & 255}.1",
                    "X-Forwarded-Host": "127.0.0.1",
                }
                connection.request("GET", paths[number], headers=headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                status = type(error).__name__
            with lock:
                seconds.append(time.perf_counter() - due[number])
                statuses[status] = statuses.get(status, 0) + 1
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(seconds), statuses


def show(name, paths, baseline=None):
    seconds, statuses = load(paths)
    p50, p99 = (seconds[int(len(seconds) * share)] * 1e3 for share in (0.5, 0.99))
    ratio = f"{p99 / baseline:>8.2f}" if baseline else f"{1:>8}"
    words = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items(), key=str))
    print(f"  {name:<44} {len(seconds):>8,} {p50:>9.1f} {p99:>9.1f} {ratio}  {words}", flush=True)
    return p99


def serve(env, folder):
    """Odoo with two workers, as in production."""
    # Odoo starts its third process by the script that started the first, so it has to be a script
    script = Path(folder, "serve.py")
    script.write_text("from odoo.cli.command import main\nmain()\n")
    words = ["--http-interface=127.0.0.1", f"--http-port={PORT}", f"--gevent-port={PORT + 1}", "--workers=2"]
    command = [sys.executable, "-W", "ignore", str(script), "server", "-c", config["config"]]
    server = subprocess.Popen(
        [*command, "-d", env.cr.dbname, "--max-cron-threads=0", "--proxy-mode", *words],
        stdin=subprocess.DEVNULL,
    )
    for _turn in range(240):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
            connection.request("GET", "/web/health")
            if connection.getresponse().status == 200:
                return server
        except OSError:
            time.sleep(0.5)
    server.terminate()
    raise RuntimeError("The server did not start.")


def issue(env, product, lot, count):
    order = env["dms.code.order"].create(
        {"product_id": product.id, "lot_id": lot.id, "quantity": count, "case_size": 0}
    )
    order.action_generate()
    while order.state == "generating":
        order._store_next()
        env.cr.commit()
    order.action_activate()
    env.cr.commit()
    return order


def forge(serial):
    """The same serial with another last character: its tag is wrong."""
    return serial[:-1] + ("0" if serial[-1] != "0" else "1")


def main(env):
    product = env["product.product"].create(
        {"name": "Bench", "is_storable": True, "tracking": "lot", "barcode": "04006381333931"}
    )
    lot = env["stock.lot"].create({"name": "BENCH", "product_id": product.id, "company_id": env.company.id})
    dice = random.Random(7)
    count = PACE * SECONDS
    orders, stored, server = [], 0, None
    folder = tempfile.TemporaryDirectory()
    try:
        for size in (CODES // 10, CODES):
            parts = [min(LARGEST, size - begin) for begin in range(stored, size, LARGEST)]
            run = measure(
                "DMS: codes ordered and stored",
                size - stored,
                lambda parts=parts: orders.extend(issue(env, product, lot, part) for part in parts),
            )
            table("codes", [run], [])
            stored = size
            env.cr.execute("ANALYZE dms_trace_code")
            env.cr.commit()
            server = server or serve(env, folder.name)
            chosen = [
                next(iter(next(iter(order._iter_serials("unit", dice.randrange(order.quantity), 1)))[1]))
                for order in dice.choices(orders, [order.quantity for order in orders], k=count)
            ]
            gtin = orders[0].gtin
            load(["/web/version", f"/01/{gtin}/21/{chosen[0]}"] * PACE)  # the server has loaded what it needs
            print(
                f"\n  {size:,} codes, {PACE} a second{'':<24} {'asked':>8} {'p50 ms':>9} {'p99 ms':>9} {'ratio':>8}"
            )
            base = show("Odoo: /web/version", ["/web/version"] * count)
            show("DMS: page of a code", [f"/01/{gtin}/21/{serial}" for serial in chosen], base)
            show("DMS: page of a forged code", [f"/01/{gtin}/21/{forge(serial)}" for serial in chosen], base)
            print()
    finally:
        if server:
            server.terminate()
            server.wait(30)
        folder.cleanup()


main(env)  # noqa: F821  (Odoo's shell provides `env`)
