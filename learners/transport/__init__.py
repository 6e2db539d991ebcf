"""How steps travel to the learner and weights to the actors: one port, no pickle, nothing lost.

`StepServer` lives in the learner, `StepClient` in the actor, `Options` holds every limit and the promises.
Only sockets, threads and their bookkeeping belong here; what a step is belongs to `schema`.
"""

from sandlot.learners.transport.address import DEFAULT_ADDRESS
from sandlot.learners.transport.client import StepClient
from sandlot.learners.transport.keys import make_keys
from sandlot.learners.transport.options import Options
from sandlot.learners.transport.policy import Policy
from sandlot.learners.transport.server import StepServer

__all__ = ["DEFAULT_ADDRESS", "Options", "Policy", "StepClient", "StepServer", "make_keys"]
