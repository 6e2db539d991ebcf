"""Making an encoder from what was recorded, before or beside learning to act.

`data` reads run folders, `methods` are the losses, `training` turns frames into a `TrainedEncoder`, `probe`
says how good it is, `picture` shows it. Nothing here steps an env but `collect`, which only records.
"""

from sandlot.perception.pretrain.config import PretrainConfig
from sandlot.perception.pretrain.data import Recording, read
from sandlot.perception.pretrain.training import Trained, train

__all__ = ["PretrainConfig", "Recording", "Trained", "read", "train"]
