"""docker-compose.yml, the Dockerfile, odoo.conf and nginx.conf fit each other and this repository."""

import ast
import configparser
import re
from pathlib import Path

import pytest
import yaml

from odoo.tools import config as odoo_config

TOP = Path(__file__).resolve().parents[2]
ODOO_SERVICES = ("init", "web", "cron")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((TOP / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def odoo_conf():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(TOP / "config" / "odoo.conf")
    return dict(parser["options"])


@pytest.fixture(scope="module")
def nginx():
    return (TOP / "config" / "nginx.conf").read_text()


def _mounts(compose):
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            yield mount.split(":")[0]


def test_every_mounted_path_exists(compose):
    for source in _mounts(compose):
        if source.startswith("."):
            assert (TOP / source).exists(), source
        else:
            assert source in compose["volumes"], source


def test_the_dockerfile_copies_what_exists(compose):
    build = compose["services"]["web"]["build"]
    dockerfile = (TOP / build["context"] / build["dockerfile"]).read_text()
    for source in re.findall(r"(?m)^COPY (\S+)", dockerfile):
        assert (TOP / source).exists(), source
    font = compose["services"]["web"]["environment"]["DMS_FONT"]
    assert Path(font).stem in dockerfile, "the font that DMS_FONT names is installed"


def test_the_modules_installed_are_all_of_ours(compose):
    ours = {path.parent.name for path in TOP.glob("addons/*/__manifest__.py")}
    words = dict(
        word.removeprefix("--").split("=") for word in compose["services"]["init"]["command"] if "=" in word
    )
    assert set(words["init"].split(",")) == ours
    assert set(words["update"].split(",")) == ours


def test_every_option_exists_in_odoo(compose, odoo_conf):
    known = set(odoo_config.options_index)
    assert set(odoo_conf) <= known, set(odoo_conf) - known
    flags = {
        flag
        for option in odoo_config.options_index.values()
        if option.cli_loadable
        for flag in option._long_opts
    }
    for name in ODOO_SERVICES:
        for word in compose["services"][name]["command"][1:]:
            assert word.split("=")[0] in flags, word


def test_no_secret_is_in_the_repository(compose, odoo_conf):
    assert not {"db_password", "admin_passwd", "dms_master_key"} & set(odoo_conf)
    for name in ("db", *ODOO_SERVICES):
        for variable, value in compose["services"][name]["environment"].items():
            if "PASSWORD" in variable or "KEY" in variable:
                assert value.startswith("${"), f"{variable} of {name} must come from the environment"
    example = (TOP / "config" / "docker.env.example").read_text()
    for variable in re.findall(r"\$\{(\w+)", (TOP / "docker-compose.yml").read_text()):
        assert re.search(rf"(?m)^{variable}=", example), variable
    assert not re.search(r"(?m)^DMS_(DB_PASSWORD|MASTER_KEY)=.", example)


def test_http_and_cron_are_apart_and_wait_for_their_database(compose):
    services = compose["services"]
    assert "--max-cron-threads=0" in services["web"]["command"]
    assert "--no-http" in services["cron"]["command"]
    for name in ("web", "cron"):
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"
    assert services["init"]["depends_on"]["db"]["condition"] == "service_healthy"
    for name in ("db", "web", "proxy"):
        assert services[name]["healthcheck"]["test"]
    assert "ports" not in services["web"], "a published port would keep it from scaling out"


def test_the_proxy_reaches_odoo_on_its_ports(compose, nginx, odoo_conf):
    assert nginx.count("{") == nginx.count("}")
    for service, port in re.findall(r"http://(\w+):(\d+);", nginx):
        assert service in compose["services"]
        assert port in (odoo_conf["http_port"], odoo_conf["gevent_port"])
    assert "$odoo_live" in nginx.split("location /websocket")[1].split("}")[0]
    zones = set(re.findall(r"zone=(\w+):", nginx))
    assert zones == set(re.findall(r"limit_req zone=(\w+)", nginx))
    assert odoo_conf["proxy_mode"] == "True"


def test_what_our_addons_import_is_installed_in_the_image():
    # The rest of our imports Odoo itself requires, so its image has them.
    ours = {
        line.split("==")[0]
        for line in (TOP / "config" / "requirements-dms.txt").read_text().splitlines()
        if "==" in line
    }
    of_odoo = {
        line.split("==")[0].lower() for line in (TOP / "config" / "requirements.txt").read_text().splitlines()
    }
    for manifest in TOP.glob("addons/*/__manifest__.py"):
        named = ast.literal_eval(manifest.read_text()).get("external_dependencies", {}).get("python", [])
        for name in named:
            assert name in ours or name.lower() in of_odoo, f"{manifest.parent.name} needs {name}"
