/** Cases of the executor library with its agent. */
import "./stories.cases.ts";
