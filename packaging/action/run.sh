# What the GitHub Action in action.yml runs. Its inputs are in variables NETORCH_….
set -euo pipefail

refuse() {
  echo "::error title=netorch::$1"
  exit 64
}

find_files() {
  local line matches
  while IFS= read -r line; do
    if [ -n "$line" ]; then
      # a pattern without a match stays as it is, so that netorch names it in its error
      mapfile -t matches < <(compgen -G "$line" || printf '%s\n' "$line")
      files+=("${matches[@]}")
    fi
  done <<<"$1"
}

files=()
find_files "$NETORCH_FILE"
read -ra options <<<"$NETORCH_OPTIONS"
case $NETORCH_COMMAND in
  validate)
    [ -z "$NETORCH_BASE" ] || refuse "\`base\` is for the command \`diff\`"
    ;;
  diff)
    [ "${#files[@]}" -le 1 ] || refuse "\`diff\` takes one \`file\`"
    [ -z "$NETORCH_BASE" ] || files=("$NETORCH_BASE" "${files[@]}")
    ;;
  *) refuse "\`command\` is \`validate\` or \`diff\`, not \`$NETORCH_COMMAND\`" ;;
esac

netorch=netorch
if [ "$NETORCH_INSTALL" != no ]; then
  what=${NETORCH_INSTALL:-$GITHUB_ACTION_PATH}
  place=$RUNNER_TEMP/netorch-$(cksum <<<"$what" | cut -d' ' -f1)
  if [ ! -x "$place/bin/netorch" ]; then
    python3 -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check "$what"
  fi
  netorch=$place/bin/netorch
fi

run=("$(command -v "$netorch" || refuse "the runner has no netorch")")
if [ "$NETORCH_COMMAND" = diff ] && [ -z "$NETORCH_BASE" ] && [ "$(id -u)" != 0 ]; then
  # to look into network namespaces
  kept=CI,GITHUB_WORKSPACE,GITHUB_STEP_SUMMARY,GITHUB_OUTPUT,RUNNER_TEMP
  run=(sudo "--preserve-env=$kept" "${run[@]}")
fi
case ${NETORCH_FAIL_ON_CHANGES,,} in
  true | false) ;;
  *) refuse "\`fail-on-changes\` is \`true\` or \`false\`, not \`$NETORCH_FAIL_ON_CHANGES\`" ;;
esac
status=0
"${run[@]}" "$NETORCH_COMMAND" -o github ${options[@]+"${options[@]}"} -- ${files[@]+"${files[@]}"} || status=$?
if [ "$status" = 2 ] && [ "${NETORCH_FAIL_ON_CHANGES,,}" = false ]; then
  status=0
fi
exit "$status"
