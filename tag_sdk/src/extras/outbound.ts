import type { Extras } from "../../types/index";
import { extend } from "../parts";
import { whenFollowed } from "./links";

/** Reports links that lead away from the site: `outbound_click` with their address. Hosts in `inside` are the site too. */
extend<Extras["outbound"]["options"]>(({ tagway, options }) => {
  const inside = [location.host, ...(options.inside ?? [])];
  whenFollowed((_link, url) => {
    if (inside.includes(url.host)) return;
    tagway.track("outbound_click", { url: url.href });
  });
});
