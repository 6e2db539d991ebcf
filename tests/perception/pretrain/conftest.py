import pytest
from tests.perception.pretrain.world import record


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(tmp_path_factory.mktemp("recordings") / "play")
