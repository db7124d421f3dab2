#!/bin/sh
# The launcher without a compiler: the contract of contract.h, files and answers alike, served by
# a shell. Requests come as lines on standard input, answers go as lines to standard output, so
# only its parent can talk to it. Slower, and three things are less exact: an exit code above 128
# is taken for a signal, the peak of memory is known with cgroups only, and without cgroups
# daemons are found by their environment.
#
#   launcher.sh RUNTIME_DIRECTORY SHIM [CGROUP_PATH...]
#
# No text from outside is ever evaluated: it is data in quoted variables and arguments.
set -u
. "${0%/*}/contract.sh"
umask 022
runtime=$1 shim=$2
shift 2
roots=$*
case $(stat -c '%u %a' "$runtime") in
  "$(id -u) "[0-7]00) ;;
  *)
    echo "launcher: $runtime must belong to this user and be closed to others (chmod 700)" >&2
    exit 2
    ;;
esac
cd "$runtime" || exit 2
nl='
'

# Codes as in contract.h: 1 invalid, 2 exists, 3 unknown, 4 exec, 5 system, 6 not empty.
answer() {
  printf '%s %s %s\n' "$id" "$1" "$(printf '%s' "$2" | tr '\n' ' ')"
  exit 0
}
decode() {
  case $1 in
    *\\*) value=$(printf '%b.' "$1") value=${value%.} ;;
    *) value=$1 ;;
  esac
}
# Sets shim_pid shim_start pid start from the file pid; fails when that shim does not live.
read_pids() {
  shim_pid='' shim_start='' pid='' start=''
  [ -r "$container/pid" ] || return 1
  IFS=' ' read -r shim_pid shim_start pid start <<END
$(sed 's/[^0-9]\{1,\}/ /g; s/^ //' "$container/pid")
END
  [ -n "$start" ] && [ "$(start_of "$shim_pid")" = "$shim_start" ] || return 1
  case $(sed 's/.*) //' "/proc/$shim_pid/stat" 2>/dev/null) in Z* | '') return 1 ;; esac
}
# The file `launch`: how to reach a container that an earlier launcher may have started.
read_launch() {
  tag=D reach='' nonce='' removes=''
  [ -r "$container/launch" ] || return 0
  while IFS= read -r line; do
    case $line in
      'N '*) nonce=${line#N } ;;
      [KF]' '*) tag=${line%% *} reach=${line#? } ;;
      'R '*) removes=$removes${line#R }$nl ;;
    esac
  done <"$container/launch"
}
allowed() {
  case $1 in */../* | */.. | [!/]*) return 1 ;; esac
  for root in $roots; do
    [ "$1" = "$root" ] && return 0
    case $root in */) case $1 in "$root"*) return 0 ;; esac ;; esac
  done
  return 1
}
remove_cgroups() {
  end=$(($(now_ms) + 5000))
  printf '%s' "$removes" | while IFS= read -r path; do
    while [ -d "$path" ]; do
      find "$path" -depth -type d -exec rmdir {} \; 2>/dev/null
      [ -d "$path" ] || break
      [ "$(now_ms)" -gt "$end" ] && exit 1
      kill_round
      sleep 0.02
    done
  done
}
do_steps() {
  why=$(printf '%s' "$steps" | while IFS= read -r kind && IFS= read -r path && IFS= read -r value; do
    case $kind in
      M) [ -d "$path" ] || mkdir "$path" || break ;;
      W) printf '%s' "$value" >"$path" || break ;;
      w) printf '%s' "$value" >"$path" || : ;;
    esac 2>/dev/null
    echo done
  done | sed -n '$=')
  [ "${why:-0}" = "$step_count" ] && return 0
  why="step $((${why:-0} + 1)) of $step_count failed: $(printf '%s' "$steps" | sed -n "$((${why:-0} * 3 + 2))p")"
  return 1
}
undo() {
  kill_round
  remove_cgroups
  rm -rf "./$container"
  answer "$1" "$2"
}

launch() {
  [ -n "$nonce" ] && [ -n "$sandbox" ] && [ $# -gt 0 ] || answer 1 'a plan needs nonce, argv and a sandbox'
  case $sandbox in */../* | */.. | [!/]*) answer 1 'the sandbox must be absolute and without ..' ;; esac
  if ! mkdir -m 700 "$container" 2>/dev/null && [ -e "$container/launch" ]; then
    grep -qx "N $nonce" "$container/launch" || answer 2 'another launch has this container id'
    if [ -r "$container/pid" ]; then
      read_pids
      answer 0 "$shim_pid $shim_start $pid $start"
    fi
    kill_round
  fi
  printf '%s' "$launch_lines" >"$container/launch"
  (umask 077 && printf '%s' "$config" >"$container/.config.tmp") && sync "$container/.config.tmp" &&
    mv "$container/.config.tmp" "$container/config.json" && sync "$container" . ||
    undo 5 'cannot write config.json'
  [ -p "$container/alive" ] || mkfifo -m 600 "$container/alive" || undo 5 'cannot make the FIFO alive'
  do_steps || undo 5 "$why"
  if [ ! -d "$sandbox" ]; then
    mkdir -p "${sandbox%/*}" && mkdir -m 750 "$sandbox" || undo 5 "make sandbox $sandbox"
    if [ -n "$user" ]; then
      owner=${user#* }
      chown -h "${user%% *}:${owner%% *}" "$sandbox" || undo 5 "chown sandbox $sandbox"
    fi
  fi
  # setpriv cannot keep from root what is not kept from everybody inside.
  case ${user:-0} in
    0 | '0 '*) [ "${caps% *}" = "${caps#* }" ] || undo 1 'the shell launcher needs effective capabilities of root to be the bounding ones' ;;
    *) case $caps in '' | '0 '*) ;; *) undo 1 'the shell launcher gives capabilities to root alone' ;; esac ;;
  esac
  export runtime="$runtime/$container" sandbox user bytes files oom peak score nonce tag reach joins
  export caps nnp rlimits
  ready=$(setsid /bin/sh "$shim" "$@" </dev/null 2>&1 &)
  case $ready in
    '0 '*) answer 0 "${ready#0 }" ;;
    [0-9]' '*) undo "${ready%% *}" "${ready#? }" ;;
    *) undo 5 "the shim did not start: $ready" ;;
  esac
}
# The numbered steps of src/isolation/destroy.ts.
destroy() {
  if [ -d "$container" ]; then read_launch; else
    [ -n "$removes" ] || answer 3 "no container $container"
  fi
  if [ "$grace" -gt 0 ] && read_pids; then
    kill -15 $(processes) 2>/dev/null
    end=$(($(now_ms) + grace))
    while read_pids && [ "$(now_ms)" -lt "$end" ]; do sleep 0.02; done
  fi
  end=$(($(now_ms) + 10000))
  while kill_round || read_pids; do
    [ "$(now_ms)" -gt "$end" ] && answer 6 "processes of $container outlived the kill"
    sleep 0.02
  done
  remove_cgroups || answer 6 "the cgroups of $container cannot be removed"
  answer 0 ''
}
forget() {
  [ -d "$container" ] || answer 0 ''
  read_launch
  read_pids && answer 6 "container $container is not destroyed yet"
  printf '%s' "$removes" | while IFS= read -r path; do [ ! -d "$path" ] || exit 1; done ||
    answer 6 "container $container is not destroyed yet"
  rm -rf "./$container"
  answer 0 ''
}
signal_all() {
  [ -d "$container" ] || answer 3 "no container $container"
  [ "$number" -ge 1 ] && [ "$number" -le 64 ] || answer 1 'signal is not within 1..64'
  read_launch
  read_pids && kill "-$number" $(processes) 2>/dev/null
  answer 0 ''
}
# The blocks of directories alone: who listens a script cannot tell.
measure() {
  [ -d "$container" ] || answer 3 "no container $container"
  sums=
  while IFS= read -r path && [ -n "$path" ]; do
    kib=$(du -skx "$path" 2>/dev/null) || kib=0
    sums="$sums$((${kib%%[!0-9]*} * 1024)) "
  done <<LIST
$measured
LIST
  answer 0 "$sums"
}
# One request in its own process; the arguments are the environment and the words of the task.
serve() {
  case $op in
    launch | signal | destroy | forget | measure)
      case $container in '' | [.-]* | *[!A-Za-z0-9._-]*) answer 1 'containerId: A-Z a-z 0-9 . _ - only' ;; esac
      ;;
  esac
  [ -z "$bad" ] || answer 1 "$bad"
  case $op in
    launch) launch "$@" ;;
    steps)
      do_steps || answer 5 "$why"
      answer 0 ''
      ;;
    signal) signal_all ;;
    destroy) destroy ;;
    forget) forget ;;
    measure) measure ;;
    *) answer 1 "operation $op is unknown" ;;
  esac
}

echo ready
while IFS=' ' read -r id op; do
  container='' nonce='' sandbox='' user='' bytes=1048576 files=0 grace=0 score='' oom='' peak=''
  config='' tag=D reach='' removes='' joins='' steps='' step_count=0 launch_lines='' number=0 bad='' unheeded=''
  caps='' nnp='' rlimits='' measured=''
  set --
  while IFS= read -r line && [ "$line" != . ]; do
    key=${line%% *}
    decode "${line#? }"
    case $key in
      [MWwdJOPKFR]) allowed "$value" || bad="path $value is not within the cgroups named at the start" ;;
    esac
    case $key in
      C) container=$value ;;
      N) nonce=$value ;;
      S) sandbox=$value ;;
      U) user=$value ;;
      B) bytes=$value ;;
      L) files=$value ;;
      G) grace=$value ;;
      X) score=$value ;;
      O) oom=$value ;;
      P) peak=$value ;;
      T) config=$value ;;
      I) number=$value ;;
      K | F) tag=$key reach=$value ;;
      R) removes=$removes$value$nl ;;
      J) joins=$joins$value$nl ;;
      M) step_count=$((step_count + 1)) steps=${steps}M$nl$value$nl$nl ;;
      W | w) step_count=$((step_count + 1)) steps=$steps$key$nl$value$nl ;;
      d) unheeded=1 ;; # a script loads no program into the kernel: devices are left as they are
      V) [ -n "$unheeded" ] || steps=$steps$value$nl
        unheeded= ;;
      E | A) set -- "$@" "$value" ;;
      D) ;;
      q) measured=$measured$value$nl ;;
      c) caps=$value ;;
      p) nnp=1 ;;
      l) rlimits="$rlimits$value," ;;
      *) bad="this launcher cannot do what the tag $key of the plan asks for" ;;
    esac
    case $key in [NKFDRGJ]) launch_lines="$launch_lines$key $value$nl" ;; esac
  done
  serve "$@" </dev/null &
done
