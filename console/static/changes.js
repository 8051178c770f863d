// Who entered and left which segment, as it happens.

import { byId, make, timeOfDay, whoLink } from "./dom.js";

const QUERY = `subscription Changes($after: String) {
  segmentChanges(after: $after) { __typename cursor at kind profileId segmentKey cause }
}`;
const MOST_SHOWN = 60;

export function openChanges(line, segments) {
  const list = byId("changes");
  let after = null;

  const take = ({ segmentChanges: change }) => {
    after = change.kind === "RESYNC" ? null : (change.cursor ?? after);
    if (change.kind !== "ENTERED" && change.kind !== "EXITED") return;
    const entered = change.kind === "ENTERED";
    list.prepend(
      make(
        "li",
        { class: "fresh" },
        make("span", { class: `badge ${entered ? "good" : ""}` }, entered ? "in" : "out"),
        make("strong", {}, segments.nameOf(change.segmentKey)),
        timeOfDay(change.at),
        whoLink(change.profileId),
      ),
    );
    while (list.childElementCount > MOST_SHOWN) list.lastElementChild.remove();
    byId("changes-empty").hidden = true;
    segments.moved();
  };
  line.subscribe(QUERY, take, { variables: () => ({ after }) });
}
