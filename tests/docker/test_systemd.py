"""contrib/systemd/tributary.service, by systemd's own checks."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from house import ROOT

UNIT = ROOT / "contrib" / "systemd" / "tributary.service"
# In tenths: 0 is perfect, and a service with a network of this machine cannot be much below 10.
EXPOSURE = 12


class Unit(unittest.TestCase):
    """The unit, with the program where it was built."""

    def setUp(self) -> None:
        home = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.unit = home / UNIT.name
        self.program = Path(os.environ["TRIBUTARY_TEST_PROGRAM"])
        self.unit.write_text(UNIT.read_text().replace("/usr/local/bin/tributary", str(self.program)))

    def analyze(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(["systemd-analyze", "--no-pager", *arguments, self.unit], capture_output=True, text=True, check=False)

    def test_systemd_understands_all_of_it(self) -> None:
        verified = self.analyze("verify", "--man=no")
        self.assertEqual((verified.returncode, verified.stdout + verified.stderr), (0, ""))

    def test_a_mistake_would_be_noticed(self) -> None:
        self.unit.write_text(self.unit.read_text().replace("ProtectHome=yes", "ProtectHoem=yes"))
        self.assertIn("ProtectHoem", self.analyze("verify", "--man=no").stderr)

    def test_it_can_do_little_besides_its_work(self) -> None:
        rated = self.analyze("security", "--offline=true", f"--threshold={EXPOSURE}")
        self.assertEqual(rated.returncode, 0, rated.stdout)

    def test_the_program_finds_what_systemd_hands_over(self) -> None:
        names = re.findall("^LoadCredential=([^:]+):/etc/tributary/(.*)$", UNIT.read_text(), re.MULTILINE)
        self.assertEqual(names, [("config.yaml", "config.yaml"), ("registration.yaml", "registration.yaml")])
        config = ROOT / "config.example.yaml"
        handed = self.unit.parent / "credentials"
        handed.mkdir()
        (handed / "config.yaml").write_text(config.read_text())
        variables = re.findall(r"(?<!\$)\$\{([A-Z_]+)\}", config.read_text())
        env = {name: "postgres://127.0.0.1/x" if name == "DATABASE_URL" else name.ljust(16, "_") for name in variables}
        env["TRIBUTARY_CONFIG"] = str(handed / "config.yaml")
        subprocess.run([self.program, "generate-registration"], env=env, check=True, capture_output=True)
        self.assertEqual(sorted(file.name for file in handed.iterdir()), ["config.yaml", "registration.yaml"])
        checked = subprocess.run([self.program, "check-config"], env=env, capture_output=True, text=True, check=False)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
