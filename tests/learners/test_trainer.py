"""The trainer by itself: no clock, no socket, the same bits whether or not it was stopped in between."""

import contextlib

import msgspec
import numpy as np
import pytest
import tests.learners.agents.helpers  # noqa: F401  (registers the encoder "tiny")
from bench import faults_resume
from bench.faults_resume import CAPACITY, SPEC, Twin, fault_15, played, practice
from bench.system_rig import tiny

from sandlot.learners import agents
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Stream
from sandlot.learners.store import RunStore
from sandlot.learners.trainer import SPARE_ROWS, Trainer, rows_needed

RLPD = (3, "rlpd", 1)


@pytest.fixture
def twin(tmp_path):
    with contextlib.closing(Twin(tmp_path / "run", *RLPD)) as twin:
        yield twin


def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    pieces = [5, 20, 40, 1, 40]  # 212 steps with 90 rows for them: the ring goes round
    whole = played(tmp_path / "whole", RLPD, pieces, stops=set(), times_ms=[])
    parts = played(tmp_path / "parts", RLPD, pieces, stops={0, 2, 4}, times_ms=[])
    assert whole == parts
    assert {"actor.w0", "critic_opt.mu.w0", "rng", "drawn", "losses", "counters"} <= whole.keys()
    other = played(tmp_path / "other", (4, "rlpd", 1), pieces, stops=set(), times_ms=[])
    assert whole != other  # the comparison can fail


def test_a_resumed_run_that_sees_stacks_of_frames_ends_with_the_same_bits(tmp_path, monkeypatch):
    def practice_with_frames(seed, count, stream, first=0):
        made = practice(seed, count, stream, first)
        rng = np.random.default_rng([seed, first, 1])
        for records in (made.steps, made.finals):
            records["image.cam"] = rng.integers(0, 256, records["image.cam"].shape)
        return made

    sees = {"encoder": "tiny", "latent": 4, "frame_stack": 2, "augment_px": 1, "n_critics": 1, "n_min": 1}
    agent = AgentConfig(**{**vars(faults_resume.AGENT), **sees})
    monkeypatch.setattr(faults_resume, "AGENT", agent)
    monkeypatch.setattr(faults_resume, "SPEC", msgspec.structs.replace(SPEC, images={"cam": (8, 8, 3)}))
    monkeypatch.setattr(faults_resume, "practice", practice_with_frames)
    pieces = [20, 40, 40]
    whole = played(tmp_path / "whole", RLPD, pieces, stops=set(), times_ms=[])
    parts = played(tmp_path / "parts", RLPD, pieces, stops={0, 1}, times_ms=[])
    assert whole == parts
    assert {"vision.mu.encoder.cam.kernel", "vision.target.bottleneck.cam.w"} <= whole.keys()


def test_a_resumed_run_of_a_careful_agent_ends_with_the_same_bits(tmp_path, monkeypatch):
    careful = {"atoms": 11, "value_range": (-20.0, 20.0), "risk": 0.9}
    monkeypatch.setattr(faults_resume, "AGENT", AgentConfig(**{**vars(faults_resume.AGENT), **careful}))
    setting, pieces = (3, "rlpd", 3), [20, 40, 40]
    whole = played(tmp_path / "whole", setting, pieces, stops=set(), times_ms=[])
    parts = played(tmp_path / "parts", setting, pieces, stops={0, 1}, times_ms=[])
    assert whole == parts
    assert {"critic.w_out", "critic_opt.mu.w_out", "drawn"} <= whole.keys()
    monkeypatch.setattr(faults_resume, "AGENT", AgentConfig(**{**vars(faults_resume.AGENT), "risk": 0.0}))
    neutral = played(tmp_path / "neutral", setting, pieces, stops=set(), times_ms=[])
    assert neutral["actor.w0"] != whole["actor.w0"] and neutral["drawn"] == whole["drawn"]


@pytest.mark.slow
def test_every_agent_resumes_with_the_same_bits():
    assert fault_15(12, seed=1)["violations"] == 0


def test_resuming_reads_no_more_steps_than_the_replay_holds(tmp_path):
    twin = Twin(tmp_path / "run", *RLPD)
    for first in range(0, 400, 40):
        twin.feed(first, 40)
    twin.trainer.save()
    twin.close()

    class Counting(RunStore):
        steps_read = 0

        def read(self, *arguments):
            for stored in super().read(*arguments):
                self.steps_read += len(stored.steps)
                yield stored

    with Counting(tmp_path / "run", SPEC) as store:
        again = Trainer(tmp_path / "run", twin.config, store, pinned_seq=30)
        again.close()
        assert store.last_seq == 830 and store.steps_read <= CAPACITY + 30
        assert again.env_steps == 800 and again.replay.cursor == 830


def test_updates_follow_the_contract_and_no_data_means_none(twin):
    assert not twin.trainer.due  # demonstrations alone owe nothing to an agent that practises
    twin.feed(0, 5)
    assert (twin.trainer.env_steps, twin.trainer.updates) == (10, 0)  # the first 10 earn nothing
    twin.feed(5, 10)
    assert (twin.trainer.env_steps, twin.trainer.updates) == (30, 20)  # one each after them, two a call


def test_a_policy_gets_a_number_only_when_it_can_be_published(twin):
    assert [twin.trainer.policy().version for _ in range(2)] == [0, 1]
    good = twin.trainer.state
    bad = {name: np.full_like(array, np.nan) for name, array in good.actor.items()}
    twin.trainer.state = good._replace(actor=bad)
    with pytest.raises(ValueError, match="not finite"):
        twin.trainer.policy()
    twin.trainer.state = good
    assert twin.trainer.policy().version == 2


def test_other_weights_may_be_taken_without_their_counters(twin, tmp_path):
    with contextlib.closing(Twin(tmp_path / "other", 9, "rlpd", 1)) as other:
        other.feed(0, 20)
        other.trainer.save()
    from sandlot.learners import checkpoint

    saved = checkpoint.load_latest(tmp_path / "other" / "checkpoints")
    twin.trainer.start_from(saved)
    assert np.array_equal(agents.state_to_arrays(twin.trainer.state)["actor.w0"], saved.arrays["actor.w0"])
    assert twin.trainer.updates == 0 and int(twin.trainer.state.step) == 0


def test_an_agent_that_learns_from_data_first_needs_some(tmp_path):
    agent = AgentConfig(algo="bc", actor_hidden=(4,))
    with RunStore.open(tmp_path, SPEC) as store:
        store.append([practice(0, 5, Stream("a", "r"))])
        with pytest.raises(ConfigError, match="give --demos"):
            Trainer(tmp_path, tiny(agent=agent), store, pinned_seq=0)


def test_the_replay_takes_no_more_rows_than_a_run_can_fill():
    """100 steps of which every one ends its segment, 30 pinned ones likewise, and some to spare."""
    assert rows_needed(tiny(steps=100, capacity=1_000_000), 30) == 260 + SPARE_ROWS
    assert rows_needed(tiny(steps=100_000, capacity=500), 30) == 500
