import type { Extras } from "../../types/index";
import { extend } from "../parts";
import { whenFollowed } from "./links";

const FILES =
  "pdf xls xlsx doc docx ppt pptx odt ods csv txt rtf xml json zip rar 7z gz tar dmg exe msi pkg deb rpm apk iso mp3 mp4 mov avi mkv wav epub mobi";

/** Reports links to files: `file_download` with address and extension. `extensions` takes the place of the usual ones. */
extend<Extras["downloads"]["options"]>(({ tagway, options }) => {
  const extensions = options.extensions ?? FILES.split(" ");
  whenFollowed((link, url) => {
    const extension = /\.(\w+)$/.exec(url.pathname)?.[1]?.toLowerCase() ?? "";
    if (!link.hasAttribute("download") && !extensions.includes(extension)) return;
    tagway.track("file_download", { url: url.href, extension });
  });
});
