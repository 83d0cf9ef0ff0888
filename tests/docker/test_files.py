"""docker/compose.yaml and docker/Dockerfile, read by the parsers of the tools they are for."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from house import DOCKER, MATRIX_HOST, ROOT, TRIBUTARY_HOST, setup, told

LINT = os.environ["TRIBUTARY_TEST_LINT"]
# What ends by itself.
ONCE = {"config", "restore"}
# What is root, with few of its capabilities: it has to do with files of several users.
ROOT_USERS = {"config", "backup", "restore"}


def setUpModule() -> None:  # noqa: N802
    """Loads the compose file as Compose does, beside what setup makes."""
    global home, project, services
    home = Path(unittest.enterModuleContext(tempfile.TemporaryDirectory())) / "docker"
    shutil.copytree(DOCKER, home, ignore=shutil.ignore_patterns("config", ".env"))
    done = setup(home, *told(email="ops@example.org"))
    assert done.returncode == 0, done.stderr
    project = json.loads(lint("compose", home / "compose.yaml"))
    services = project["services"]


def lint(kind: str, file: Path) -> str:
    """What the parser says."""
    done = subprocess.run([LINT, kind, file], env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Compose(unittest.TestCase):
    """What each service may do."""

    def test_without_setup_it_says_what_to_do(self) -> None:
        done = subprocess.run([LINT, "compose", DOCKER / "compose.yaml"], env={}, capture_output=True, text=True, check=False)
        if (DOCKER / ".env").exists():
            self.skipTest("this checkout is set up")
        self.assertEqual(done.returncode, 1)
        self.assertIn("run docker/setup first", done.stderr)

    def test_only_the_proxy_has_published_ports(self) -> None:
        ports = {name: [f"{port['published']}/{port['protocol']}" for port in service.get("ports", [])]
                 for name, service in services.items()}
        self.assertEqual(ports.pop("proxy"), ["80/tcp", "443/tcp", "443/udp"])
        self.assertFalse(any(ports.values()))

    def test_every_service_is_confined(self) -> None:
        for name, service in services.items():
            with self.subTest(service=name):
                self.assertTrue(service["read_only"])
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertNotIn("privileged", service)
                limits = service["deploy"]["resources"]["limits"]
                self.assertTrue({"cpus", "memory", "pids"} <= set(limits))
                self.assertEqual(service["logging"]["options"], {"max-size": "10m", "max-file": "5"})
                self.assertRegex(service["user"], "^0:0$" if name in ROOT_USERS else r"^[1-9]\d*:[1-9]\d*$")
                self.assertEqual(service["restart"], "no" if name in ONCE else "unless-stopped")
        added = {name: service["cap_add"] for name, service in services.items() if "cap_add" in service}
        self.assertEqual(added, {"proxy": ["NET_BIND_SERVICE"], "config": ["CHOWN", "DAC_OVERRIDE", "FOWNER"],
                                 "backup": ["CHOWN", "DAC_READ_SEARCH", "FOWNER"],
                                 "restore": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]})
        self.assertEqual(services["config"]["network_mode"], "none")

    def test_who_reaches_whom(self) -> None:
        networks = {name: sorted(service.get("networks") or {}) for name, service in services.items()}
        self.assertEqual(networks, {
            "proxy": ["inside", "outside"], "tributary": ["databases", "inside", "outside"], "synapse": ["databases", "inside"],
            "meta": ["databases", "inside", "outside"], "postgres": ["databases"], "backup": ["databases"], "restore": ["databases"],
            "config": []})
        internal = {name for name, network in project["networks"].items() if network.get("internal")}
        self.assertEqual(internal, {"inside", "databases"})

    def test_tributary_believes_the_proxy_alone(self) -> None:
        address = services["proxy"]["networks"]["inside"]["ipv4_address"]
        config = (home / "config" / "tributary" / "config.yaml").read_text()
        self.assertIn(f'trusted_proxies: ["{address}"]', config)

    def test_whatever_is_waited_for_says_how_it_is(self) -> None:
        for name, service in services.items():
            self.assertEqual("healthcheck" in service, name not in ONCE, name)
            for other, how in service.get("depends_on", {}).items():
                expected = "service_completed_successfully" if other in ONCE else "service_healthy"
                self.assertEqual(how["condition"], expected, (name, other))

    def test_what_is_backed_up_is_what_is_restored(self) -> None:
        there, back = services["backup"]["environment"], services["restore"]["environment"]
        for name in ("BACKUP_DATABASES", "BACKUP_MEDIA", "TRIBUTARY_CONFIG", "PGPASSFILE"):
            self.assertEqual(there[name], back[name], name)
        self.assertEqual(services["restore"]["profiles"], ["restore"])
        self.assertEqual(services["restore"]["image"], services["backup"]["image"])

    def test_everything_it_names_is_there(self) -> None:
        used = set()
        for name, service in services.items():
            for volume in service.get("volumes", []):
                if volume["type"] == "bind":
                    self.assertTrue(Path(volume["source"]).exists() and volume["read_only"], volume)
                else:
                    used.add(volume["source"])
            for file in service.get("env_file", []):
                self.assertTrue((home / file["path"] if isinstance(file, dict) else Path(file)).exists(), name)
        self.assertEqual(used, set(project["volumes"]))

    def test_images_are_of_one_version(self) -> None:
        for name, service in services.items():
            self.assertRegex(service["image"], r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", name)
        requirements = (ROOT / "tests" / "stack" / "requirements.txt").read_text()
        tested = re.search("^matrix-synapse==(.*)$", requirements, re.MULTILINE)[1]
        self.assertTrue(services["synapse"]["image"].endswith(f":v{tested}"))
        version = re.search('^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
        self.assertEqual(services["tributary"]["image"], f"tributary:{version}")
        # pg_dump has to be as new as the server.
        dumper = re.search("^FROM (.*) AS backup$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)[1]
        self.assertEqual(services["postgres"]["image"], dumper)

    def test_the_proxy_is_told_what_setup_was(self) -> None:
        self.assertEqual(services["proxy"]["environment"], {
            "MATRIX_HOST": MATRIX_HOST, "TRIBUTARY_HOST": TRIBUTARY_HOST, "PROXY_OPTIONS": "email ops@example.org"})

    def test_no_secret_is_in_what_compose_shows_but_those_of_postgres(self) -> None:
        shown = json.dumps(project)
        for secret in (home / "config" / "secrets").iterdir():
            expected = secret.name == "postgres" or secret.name.endswith("-database")
            self.assertEqual(secret.read_text().strip() in shown, expected, secret.name)


class Dockerfile(unittest.TestCase):
    """What builds the image."""

    def setUp(self) -> None:
        self.text = (DOCKER / "Dockerfile").read_text()

    def test_the_linter_finds_nothing(self) -> None:
        self.assertEqual(lint("dockerfile", DOCKER / "Dockerfile"), "")

    def test_the_linter_finds_something_elsewhere(self) -> None:
        with tempfile.NamedTemporaryFile("w") as bad:
            bad.write("FROM debian:12\nENV name value\nARG PASSWORD=x\nCMD run\n")
            bad.flush()
            self.assertIn("SecretsUsedInArgOrEnv", lint("dockerfile", Path(bad.name)))

    def test_it_copies_everything_that_the_program_is_made_of(self) -> None:
        copied = [source for line in re.findall(r"^COPY (?!--)(.*)$", self.text, re.MULTILINE) for source in line.split()[:-1]]
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        self.assertEqual(sorted(copied), sorted(allowed))
        needed = set(self.sources())
        self.assertIn("src/main.rs", needed)
        missing = [file for file in needed if not any(fnmatch.fnmatch(f"{file}/", f"{source}/*") for source in copied)]
        self.assertEqual(missing, [])

    def sources(self) -> list[str]:
        """What cargo says that the program and its targets depend on."""
        written = (Path(os.environ["TRIBUTARY_TEST_PROGRAM"]).parent / "deps").glob("tributary-*.d")
        libraries = (file for file in written if "/libtributary-" in file.read_text())
        newest = max(libraries, key=lambda file: file.stat().st_mtime)
        files = [os.path.relpath(ROOT / file, ROOT) for file in newest.read_text().splitlines()[0].split(": ", 1)[1].split()]
        metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"], cwd=ROOT,
                                  capture_output=True, check=True)
        targets = json.loads(metadata.stdout)["packages"][0]["targets"]
        # Cargo finds tests by looking for them; what its manifest names has to be there.
        named = [os.path.relpath(target["src_path"], ROOT) for target in targets if target["kind"] != ["test"]]
        rebuilt = re.findall("rerun-if-changed=([^\"]+)", (ROOT / "build.rs").read_text())
        # When it was clippy that looked last.
        return [file for file in (*files, *named, *rebuilt, "Cargo.toml", "Cargo.lock") if file != "clippy.toml"]

    def test_the_compiler_is_the_one_that_cargo_wants(self) -> None:
        wanted = re.search('^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
        self.assertIn(f"FROM rust:{wanted}.", self.text)


if __name__ == "__main__":
    unittest.main()
