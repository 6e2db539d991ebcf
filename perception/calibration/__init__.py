"""Where a camera is and how it bends the world: intrinsics and hand-eye calibration with a ChArUco board.

Everything here is a pure function of pictures and poses; `sandlot calibrate` takes them and keeps the result
in the camera file. A pose is a matrix [4, 4] named `pose_a_b`: b in the frame a, metres. Camera frames are
optical (REP-103: z forward, x right, y down); `poses` turns MuJoCo's into them and nothing else does.
"""

from sandlot.perception.calibration.board import Board, Corners
from sandlot.perception.calibration.errors import CalibrationError
from sandlot.perception.calibration.hand_eye import HandEye, HandEyeView, Mount
from sandlot.perception.calibration.intrinsics import Intrinsics, IntrinsicsResult

__all__ = [
    "Board",
    "CalibrationError",
    "Corners",
    "HandEye",
    "HandEyeView",
    "Intrinsics",
    "IntrinsicsResult",
    "Mount",
]
