#!/bin/sh
# The shim without a compiler: starts the task inside its cgroups, carries its output into bounded
# files, waits, reads the kernel's counters, kills what is left, writes the status, ends. What the
# launcher exported says how; the arguments are the task's environment and words.
set -u
. "${0%/*}/contract.sh"
umask 022

fail() {
  echo "$1 $2"
  exit 1
}
# Writes standard input to a file of the runtime directory, whole or not at all.
durably() { cat >"$runtime/.$1.tmp" && sync "$runtime/.$1.tmp" && mv "$runtime/.$1.tmp" "$runtime/$1" && sync "$runtime"; }
number_in() { sed -n "s/^$2 \{0,1\}\([0-9]\{1,\}\)\$/\1/p" "$1" 2>/dev/null | head -n 1; }

# At most $bytes in each of $files + 1 files, unbuffered. Every file is made anew (set -C), so that
# a link which the task put there is never followed; its size is asked of the open file.
pump() {
  while :; do
    rm -f "$1"
    size=$(set -C && exec 4>"$1" && stdbuf -o0 head -c "$bytes" >&4 && stat -Lc %s /proc/self/fd/4)
    [ -z "$user" ] || chown -h "${user%% *}" "$1"
    # A full disk must not stop the task: what cannot be written is read and lost.
    [ -n "$size" ] || cat >/dev/null
    [ "${size:-0}" -ge "$bytes" ] || break
    i=$files
    while [ "$i" -gt 0 ]; do
      if [ "$i" -gt 1 ]; then from=$1.$((i - 1)); else from=$1; fi
      [ ! -e "$from" ] && [ ! -L "$from" ] || mv -fT "$from" "$1.$i"
      i=$((i - 1))
    done
  done
}

# Names of the kernel's limits by their numbers, as prlimit(1) has them.
rlimit_of() {
  set -- "$1" cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime
  shift "$1" && shift
  echo "--$1"
}
bound_of() { if [ "$1" = -1 ]; then echo unlimited; else echo "$1"; fi; }

cd "$sandbox" || fail 5 "enter sandbox $sandbox"
exec 9<>"$runtime/alive" || fail 5 'open alive'
path=/bin:/usr/bin program=''
for word in "$@"; do
  case $word in
    PATH=*) path=${word#PATH=} ;;
    *=*) ;;
    *)
      program=$word
      break
      ;;
  esac
done
case $program in
  */*) [ -x "$program" ] && [ ! -d "$program" ] || fail 4 "execute: $program cannot be executed" ;;
  *) (PATH=$path command -v "$program" >/dev/null) || fail 4 "execute: $program was not found" ;;
esac
for name in out err; do
  rm -f "$runtime/$name"
  mkfifo -m 600 "$runtime/$name" || fail 5 'make pipes'
done
kills_before=$(number_in "${oom:-/dev/null}" oom_kill)
# In subshells that give up their descriptors for good: a redirected function would keep copies.
(exec >/dev/null 2>&1 9>&- && pump stdout) <"$runtime/out" &
pumps=$!
(exec >/dev/null 2>&1 9>&- && pump stderr) <"$runtime/err" &
pumps="$pumps $!"
(
  exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  printf '%s' "$joins" | while IFS= read -r file; do [ -w "$file" ] || exit 1; done || exit 126
  while IFS= read -r file; do
    [ -z "$file" ] || echo 0 >"$file" || exit 126
  done <<END
$joins
END
  [ -z "$score" ] || echo "$score" >/proc/self/oom_score_adj || exit 126
  set -- env -i "MESETA_LAUNCH=$nonce" "$@"
  uid=${user%% *} rest=${user#* }
  gid=${rest%% *} groups=''
  case $rest in *' '*) groups=$(echo "${rest#* }" | tr ' ' ,) ;; esac
  if [ -n "$user" ] && [ "$(id -u) $(id -g)" != "$uid $gid" ]; then
    set -- setpriv "--reuid=$uid" "--regid=$gid" "${groups:+--groups=}${groups:---clear-groups}" "$@"
  fi
  [ -z "$nnp" ] || set -- setpriv --no-new-privs "$@"
  if [ -n "$caps" ]; then
    kept=-all bits=$((0x${caps#* })) number=0
    while [ "$bits" -gt 0 ]; do
      [ $((bits & 1)) -eq 0 ] || kept=$kept,+cap_$number
      bits=$((bits >> 1)) number=$((number + 1))
    done
    set -- setpriv "--bounding-set=$kept" --inh-caps=-all --ambient-caps=-all "$@"
  fi
  while [ -n "$rlimits" ]; do
    IFS=' ' read -r resource soft hard <<END
${rlimits%%,*}
END
    rlimits=${rlimits#*,}
    set -- prlimit "$(rlimit_of "$resource")=$(bound_of "$soft"):$(bound_of "$hard")" "$@"
  done
  exec setsid "$@"
) </dev/null >"$runtime/out" 2>"$runtime/err" &
pid=$!
shim_start=$(start_of $$) start=$(start_of "$pid")
printf '{"shim":%s,"shimStart":%s,"pid":%s,"start":%s}\n' $$ "$shim_start" "$pid" "${start:-0}" | durably pid ||
  fail 5 'write pid'
echo "0 $$ $shim_start $pid ${start:-0}"
exec >/dev/null 2>&1

wait "$pid"
code=$? signal=null
at=$(date +%s%3N)
rm -f "$runtime/out" "$runtime/err"
[ "$code" -le 128 ] || [ "$code" -gt 192 ] || { signal=$((code - 128)) && code=null; }
peak_bytes=$(number_in "${peak:-/dev/null}" '')
end=$(($(now_ms) + 10000))
while kill_round && [ "$(now_ms)" -lt "$end" ]; do sleep 0.01; done
kills=$(number_in "${oom:-/dev/null}" oom_kill)
while kill -0 $pumps && [ "$(now_ms)" -lt "$end" ]; do sleep 0.01; done
wait $pumps
# The second line of `times` is what the children used: 0m1.23s for user and system.
used=$(times | sed -n '2s/\([0-9]*\)m\([0-9]*\)\.\([0-9]\{2\}\)[0-9]*s/\1 \2 1\3/gp')
set -- ${used:-0 0 100 0 0 100}
told=$(printf '{"code":%s,"signal":%s,"at":%s,"utimeMs":%s,"stimeMs":%s,"maxRssKb":%s,"oomKills":%s,"peakBytes":%s,"dropped":0}\n' \
  "$code" "$signal" "$at" $((($1 * 60 + $2) * 1000 + $3 * 10 - 1000)) $((($4 * 60 + $5) * 1000 + $6 * 10 - 1000)) \
  $((${peak_bytes:-0} / 1024)) $((${kills:-0} - ${kills_before:-0})) "${peak_bytes:-null}")
# On a full disk how the task ended is kept for ten minutes: by then somebody has made room.
tries=0
until printf '%s\n' "$told" | durably status || [ "$tries" -ge 600 ]; do tries=$((tries + 1)) && sleep 1; done
