"""The doctor: what it finds on this machine, and what it says when something is missing."""

import io
import json
import socket
import sys

import pytest
from rich.console import Console

from sandlot.learners import doctor, machine
from sandlot.learners import doctor_checks as on
from sandlot.learners.doctor_checks import Check, Grade
from sandlot.learners.errors import ConfigError


def test_this_machine_lacks_nothing_that_is_required(tmp_path):
    checks = doctor.examine(doctor.DoctorConfig(folder=str(tmp_path / "not" / "yet")))
    names = [check.name for check in checks]
    assert len(set(names)) == len(names) == 15
    missing = [check for check in checks if check.grade is Grade.MISSING]
    assert missing == [] and doctor.exit_code(checks) == 0
    assert all(check.fix for check in checks if check.grade is not Grade.OK)
    assert json.loads(json.dumps(doctor.as_dicts(checks)))[0]["grade"] == "ok"
    assert not (tmp_path / "not").exists()


def test_only_what_is_required_fails():
    note, missing = Check("a", Grade.NOTE, "", "x"), Check("b", Grade.MISSING, "", "y")
    assert doctor.exit_code([note]) == 0 and doctor.exit_code([note, missing]) == 1


def test_people_see_the_finding_and_the_command():
    console = Console(file=io.StringIO(), width=100)
    console.print(doctor.render([Check("jax", Grade.MISSING, "gone [red]", "pip install 'jax[cuda12]'")]))
    text = console.file.getvalue()
    assert "✗" in text and "gone [red]" in text and "→ pip install 'jax[cuda12]'" in text


def test_an_old_python_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert on.python() == (
        "python",
        Grade.MISSING,
        "3.10.4, needs 3.11 or newer",
        "apt-get install python3.11-venv",
    )


def test_packages_that_lack_or_are_too_old_are_named(monkeypatch):
    real = machine.version_of
    monkeypatch.setattr(machine, "version_of", lambda p: {"jax": "0.9.2", "rich": ""}.get(p, real(p)))
    check = on.packages()
    assert check.grade is Grade.MISSING and check.found == "jax 0.9.2, rich is not there"
    assert check.fix == "pip install -e ."


def test_a_port_in_use_is_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check = on.port_free(port)
    assert check.grade is Grade.NOTE and check.found == f"{port} is in use" and str(port) in check.fix
    assert on.port_free(port).grade is Grade.OK


def test_a_crash_in_a_try_is_a_finding():
    assert on.attempt("import os; os.abort()") == (False, "it ended with code -6")
    assert on.attempt("raise ValueError('no such thing')") == (False, "no such thing")
    assert on.attempt("print('first'); print('last')") == (True, "last")
    good, said = on.attempt("import time; time.sleep(60)", timeout_s=0.2)
    assert not good and said.startswith("no answer")


def test_no_opengl_is_a_note_with_the_command(monkeypatch):
    monkeypatch.setattr(on, "RENDER_TRY", "raise RuntimeError('no EGL here')")
    assert on.rendering() == (
        "rendering",
        Grade.NOTE,
        "no pictures: no EGL here",
        "apt-get install libegl1 libgl1 libosmesa6",
    )


def test_an_option_that_is_not_there():
    check = on.option("no_such_module", "no-such", "pip install no-such", "does nothing")
    assert check == (
        "no_such_module",
        Grade.NOTE,
        "not installed; optional, does nothing",
        "pip install no-such",
    )


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("jax>=0.10", ("jax", "0.10")), ("mujoco<4,>=3.5", ("mujoco", "3.5")), ("rich", ("rich", "0"))],
)
def test_requirements_are_understood(text, parsed):
    assert on._requirement(text) == parsed


def test_versions_compare_by_number():
    assert on._release("0.10.2") > on._release("0.9") > on._release("0") > on._release("")
    assert on._release("2.9.0+cpu") == (2, 9, 0)


def test_settings_are_checked_and_agree_with_the_learner():
    with pytest.raises(ConfigError, match="--port is 0"):
        doctor.DoctorConfig(port=0)
    from sandlot.learners.learner import DEFAULT_PORT

    assert doctor.DoctorConfig().port == DEFAULT_PORT


def test_the_machine_describes_itself():
    facts = machine.describe()
    assert int(facts["cores"].split()[0]) >= 1 and facts["memory"].endswith("GiB") and facts["processor"]
    assert facts["numpy"] == __import__("numpy").__version__
