"""The steps of every kind of request, put together."""

from collections.abc import Mapping

from domain.request import RequestKind
from profiles.catalogue import Catalogue
from profiles.memory import Memory
from profiles.rights.case import Procedure
from profiles.rights.erase import erasure
from profiles.rights.gather import Gather, Section
from profiles.rights.hold import ForgetCached, Hold, refuse_sale
from profiles.rights.rectify import Rectify
from stores.eventlog.port import EventLog
from stores.journal import Journal
from stores.subject_cache import SubjectCache


def procedures(
    *,
    log: EventLog,
    cache: SubjectCache,
    journal: Journal | None = None,
    catalogue: Catalogue | None = None,
    memory: Memory | None = None,
    copies: Procedure = (),
    sections: Mapping[str, Section] | None = None,
) -> dict[RequestKind, Procedure]:
    """List the steps of each kind of request.

    Whatever else keeps data of persons joins here: `copies` are its steps of an erasure, `sections` its parts of the
    answer to an access request.
    """
    catalogue, memory = catalogue or Catalogue(), memory or Memory()
    forget_cached = ("forget_cached", ForgetCached(cache))
    gather = (("gather", Gather(sections)),)
    hold = (("hold", Hold(catalogue, memory)),)
    return {
        RequestKind.ACCESS: gather,
        RequestKind.PORTABILITY: gather,
        RequestKind.RECTIFY: (("rectify", Rectify(catalogue, memory)), forget_cached),
        RequestKind.ERASE: erasure(log=log, cache=cache, journal=journal, copies=copies),
        RequestKind.RESTRICT: hold,
        RequestKind.LIFT: hold,
        RequestKind.OBJECT: hold,
        RequestKind.OPT_OUT: (("refuse_sale", refuse_sale), forget_cached),
        RequestKind.LIMIT_SENSITIVE: hold,
    }
