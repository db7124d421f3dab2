# What the shell launcher and the shell shim both do: tell time, find processes, kill them.
# Expects tag (K, F or D), reach (a path) and nonce to be set, as in the file `launch`.
export LC_ALL=C

now_ms() {
  read -r up _ </proc/uptime
  echo $((${up%.*} * 1000 + 1${up#*.} * 10 - 1000))
}
# Field 22 of /proc/PID/stat; the name in parentheses may contain anything.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
members() { find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null; }
marked() { grep -lzx "MESETA_LAUNCH=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
processes() {
  case $tag in
    K) members "${reach%/*}" ;;
    F) members "$reach" ;;
    *) marked "$nonce" ;;
  esac
}
# One round of killing everything; fails when nobody was there. A frozen cgroup must be thawed
# again or the kill never lands.
kill_round() {
  found=$(processes)
  [ -n "$found" ] || return 1
  case $tag in
    K) echo 1 >"$reach" ;;
    F)
      echo FROZEN >"$reach/freezer.state"
      kill -9 $(processes)
      echo THAWED >"$reach/freezer.state"
      ;;
    *)
      kill -19 $found
      kill -9 $(processes)
      ;;
  esac 2>/dev/null
  return 0
}
