"""docker/setup and docker/place-config, in each shell that a host may have."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from house import DOCKER, MATRIX_HOST, setup, told

SHELLS = ["dash", "bash", "busybox sh"]
SCRIPTS = [DOCKER / "setup", DOCKER / "place-config", DOCKER / "postgres" / "databases.sh"]


def digests(directory: Path) -> dict[str, str]:
    """Each file and what is in it."""
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(directory.rglob("*")) if file.is_file()}


class Setup(unittest.TestCase):
    """What it makes, and what it leaves alone."""

    def setUp(self) -> None:
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def made(self, *more: str, **others: str) -> dict[str, str]:
        done = setup(self.dir, *told(**others), *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return digests(self.dir)

    def test_the_second_run_changes_nothing_in_any_shell(self) -> None:
        for shell in SHELLS:
            with self.subTest(shell=shell):
                directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
                first = setup(directory, *told(), shell=shell)
                self.assertEqual(first.returncode, 0, first.stderr)
                before = digests(directory)
                again = setup(directory, shell=shell)
                self.assertEqual((again.returncode, digests(directory)), (0, before), again.stderr)
                self.assertIn("nothing was changed", again.stdout)

    def test_nobody_else_can_read_it(self) -> None:
        self.made()
        for file in self.dir.rglob("*"):
            self.assertEqual(file.stat().st_mode & 0o777, 0o700 if file.is_dir() else 0o600, file)

    def test_every_secret_is_random_and_in_place(self) -> None:
        self.made()
        values = [file.read_text().strip() for file in (self.dir / "config" / "secrets").iterdir()]
        self.assertEqual(len(set(values)), len(values))
        self.assertTrue(all(re.fullmatch("[0-9a-f]{64}", value) for value in values))
        elsewhere = "".join(file.read_text() for file in (self.dir / "config").rglob("*")
                            if file.is_file() and file.parent.name != "secrets")
        for value in values:
            # Names of users who are nobody may have no more characters.
            self.assertIn(value[:32], elsewhere)
        other = Path(self.enterContext(tempfile.TemporaryDirectory()))
        setup(other, *told())
        self.assertFalse(set(values) & {file.read_text().strip() for file in (other / "config" / "secrets").iterdir()})

    def test_what_the_operator_changed_stays(self) -> None:
        self.made()
        config = self.dir / "config" / "tributary" / "config.yaml"
        config.write_text(config.read_text().replace("webhook_secret: null", "webhook_secret: whsec_AAAA"))
        before = digests(self.dir)
        self.assertEqual(self.made(), before)

    def test_what_was_deleted_comes_back_as_it_was(self) -> None:
        before = self.made(**{"server-name": "example.org", "email": "ops@example.org"})
        for file in ("config/meta/config.yaml", "config/synapse/homeserver.yaml", "config/tributary/tributary-registration.yaml"):
            (self.dir / file).unlink()
        self.assertEqual(self.made(), before)

    def test_a_run_that_was_broken_off_is_finished(self) -> None:
        before = self.made()
        shutil.rmtree(self.dir / "config" / "meta")
        (self.dir / "config" / "synapse" / "log.yaml.new").write_text("half")
        self.assertEqual(self.made(), before)

    def test_a_secret_that_is_gone_is_not_replaced(self) -> None:
        self.made()
        (self.dir / "config" / "secrets" / "admin-key").unlink()
        before = digests(self.dir)
        done = setup(self.dir)
        self.assertEqual((done.returncode, digests(self.dir)), (1, before))
        self.assertIn("admin-key is gone", done.stderr)

    def test_other_names_than_the_first_time_are_refused(self) -> None:
        before = self.made()
        done = setup(self.dir, "--server-name", "other.example.org")
        self.assertEqual((done.returncode, digests(self.dir)), (1, before))
        self.assertIn(f"SERVER_NAME is {MATRIX_HOST} since the first run", done.stderr)

    def test_it_can_be_told_by_the_environment(self) -> None:
        names = dict(zip((part[2:].replace("-", "_").upper() for part in told()[::2]), told()[1::2], strict=True))
        self.assertEqual(setup(self.dir, **names).returncode, 0)

    def test_what_is_wrong_is_named_and_nothing_made(self) -> None:
        wrong = {"tributary-host": "https://tributary.example.org", "matrix-host": "localhost", "app-origin": "https://app.example.org/",
                 "clerk-key": "sk_live_x", "server-name": "a b.example.org", "subnet": "10.0.0.0/8", "email": "x\ny@z"}
        for option, value in wrong.items():
            with self.subTest(option=option):
                done = setup(self.dir, *told(**{option: value}))
                self.assertEqual((done.returncode, digests(self.dir)), (2, {}), done.stderr)
                self.assertIn(value.split("\n")[0], done.stderr)
        for option, value, said in [
            ("clerk-key", "pk_test_x", "no name of a Clerk instance"), ("clerk-key", "pk_live_AAAA", "no name of a Clerk instance"),
            # A part of one, one without its dollar, and one with an address.
            ("clerk-key", "pk_live_Y2xlcmsuZXhhbXBsZS5v", "no name of a Clerk instance"),
            ("clerk-key", "pk_live_Y2xlcmsuZXhhbXBsZS5vcmc=", "no name of a Clerk instance"),
            ("clerk-key", "pk_live_aHR0cHM6Ly9jbGVyay5leGFtcGxlLm9yZyQ=", "no name of a Clerk instance"),
            ("clerk-key", "pk_live_Y2xl=cmsuZXhhbXBsZS5vcmck", "pk_test_... or pk_live_..."),
            *(("subnet", subnet, "a private network") for subnet in
              ("10.0.300.0/24", "10.256.0.0/24", "172.32.0.0/24", "8.8.8.0/24", "10.0.0.0/16", "010.0.0.0/24", "10.1.01.0/24",
               "192.168.0/24", "10.1.0/24", "10.1.2.3.0/24", "999.1.1.0/24", "224.0.0.0/24")),
        ]:
            with self.subTest(value=value):
                done = setup(self.dir, *told(**{option: value}))
                self.assertEqual((done.returncode, digests(self.dir)), (2, {}), done.stderr)
                self.assertIn(value, done.stderr)
                self.assertIn(said, done.stderr)
        same = setup(self.dir, *told(**{"matrix-host": "tributary.example.org"}))
        self.assertEqual((same.returncode, digests(self.dir)), (2, {}))
        missing = setup(self.dir)
        self.assertEqual(missing.returncode, 2)
        self.assertIn("TRIBUTARY_HOST is missing", missing.stderr)

    def test_what_it_takes_is_what_tributary_takes(self) -> None:
        keys = ("pk_test_c3RyYW5nZS1vd2wtMTIuY2xlcmsuYWNjb3VudHMuZGV2JA", "pk_test_c3RyYW5nZS1vd2wtMTIuY2xlcmsuYWNjb3VudHMuZGV2JA==",
                "pk_live_Y2xlcmsuZXhhbXBsZS5vcmck")
        for key, subnet, shell in zip(keys, ("10.255.0.0/24", "172.16.250.0/24", "192.168.199.0/24"), SHELLS, strict=True):
            with self.subTest(key=key, subnet=subnet):
                directory = Path(self.enterContext(tempfile.TemporaryDirectory()))
                done = setup(directory, *told(**{"clerk-key": key, "subnet": subnet}), shell=shell)
                self.assertEqual(done.returncode, 0, done.stderr)
                config = directory / "config" / "tributary" / "config.yaml"
                checked = subprocess.run([os.environ["TRIBUTARY_TEST_PROGRAM"], "check-config", "--config", config], env={},
                                         capture_output=True, text=True, check=False)
                self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_tributary_takes_the_configuration(self) -> None:
        self.made()
        config = self.dir / "config" / "tributary" / "config.yaml"
        checked = subprocess.run([os.environ["TRIBUTARY_TEST_PROGRAM"], "check-config", "--config", config], env={},
                                 capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_the_registration_is_the_one_that_tributary_writes(self) -> None:
        self.made()
        home = self.dir / "config" / "tributary"
        written = self.dir / "written.yaml"
        subprocess.run([os.environ["TRIBUTARY_TEST_PROGRAM"], "generate-registration", "--config", home / "config.yaml",
                        "--output", written], env={}, capture_output=True, check=True)

        def plain(file: Path) -> list[str]:
            """Without tokens, quotes and the address, which is another than the public one."""
            lines = file.read_text().replace("'", "").splitlines()
            return [re.sub("^(url|as_token|hs_token): .*", r"\1", line) for line in lines]

        self.assertEqual(plain(home / "tributary-registration.yaml"), plain(written))

    def test_each_service_gets_its_own_files_and_no_others(self) -> None:
        self.made()
        to, data, tools = (self.dir / name for name in ("to", "data", "tools"))
        for folder in [*(to / name for name in ("synapse", "meta", "tributary")),
                       *(data / name for name in ("synapse", "tributary", "caddy")), tools]:
            folder.mkdir(parents=True)
        (to / "meta" / "old.yaml").write_text("of a version before")
        owners = tools / "owners"
        (tools / "chown").write_text(f'#!/bin/sh\necho "$@" >>{owners}\n')
        (tools / "chown").chmod(0o755)
        env = {"PATH": f"{tools}:{os.environ['PATH']}", "FROM": str(self.dir / "config"), "TO": str(to), "DATA": str(data)}
        for _ in range(2):
            subprocess.run(["sh", DOCKER / "place-config"], env=env, check=True)
            found = {service.name: sorted(file.name for file in service.iterdir()) for service in to.iterdir()}
            self.assertEqual(found, {
                "meta": ["config.yaml"], "tributary": ["config.yaml", "tributary-registration.yaml"],
                "synapse": ["doublepuppet-registration.yaml", "homeserver.yaml", "log.yaml", "meta-registration.yaml",
                            "signing.key", "tributary-registration.yaml"]})
        self.assertTrue(all(file.stat().st_mode & 0o777 == 0o400 for file in to.rglob("*") if file.is_file()))
        by_service = {re.search("/(to|data)/([a-z]+)", line)[2]: line.split(":")[0] for line in owners.read_text().splitlines()}
        self.assertEqual(by_service, {"synapse": "991", "meta": "1337", "tributary": "10001", "caddy": "10002"})


class Scripts(unittest.TestCase):
    """Their form."""

    def test_shellcheck_finds_nothing(self) -> None:
        found = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stdout), (0, ""))

    def test_they_can_be_run(self) -> None:
        for script in SCRIPTS:
            self.assertTrue(os.access(script, os.X_OK), script)


if __name__ == "__main__":
    unittest.main()
