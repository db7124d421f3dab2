/** Cases of recordings: their form, their secrets, their files, and their replay. */
import t from "tap";
import "./writer.cases.ts";
import "./redact.cases.ts";
import "./files.cases.ts";
import "./replay.cases.ts";

t.setTimeout(400_000);
