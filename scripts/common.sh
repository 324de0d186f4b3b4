# What setup, lock, floors and newest share. Read with `. scripts/common.sh`; $venv, a folder, must be set.
# shellcheck shell=sh
export PIP_DISABLE_PIP_VERSION_CHECK=1
name=$(basename "$0")
log=$venv/$name.log
ticker=

say() { echo "$name: $*" >&2; }

# make_venv [--clear]: make the virtual environment if it isn't there, or anew.
make_venv() {
    python=$venv/bin/python
    if [ ! -x "$python" ] || [ $# -gt 0 ]; then
        say "making $venv"
        "${PYTHON:-python3}" -m venv "$@" "$venv"
    fi
}

pip_install() { "$python" -m pip install "$@"; }

# The version in the line of the lock that begins with its first argument: `locked torch`, `locked '# torch'`.
locked() { sed -n "s/^$1==\([^ ]*\).*/\1/p" requirements.lock; }

# quiet WHAT COMMAND...: say WHAT, run COMMAND with its output in $log, and a line every eight seconds so that
# nobody thinks it hangs. If it fails, show the end of its output and stop.
quiet() {
    what=$1
    shift
    say "$what"
    : >"$log"
    heartbeat &
    ticker=$!
    trap 'kill $ticker 2>/dev/null' EXIT
    trap 'exit 130' INT TERM
    status=0
    "$@" >"$log" 2>&1 || status=$?
    kill "$ticker" 2>/dev/null || :
    wait "$ticker" 2>/dev/null || :
    trap - EXIT INT TERM
    [ "$status" -eq 0 ] && return
    say "failed: $what. The end of its output:"
    grep -v '^WARNING: Location .* is ignored' "$log" | tail -n 20 | sed 's/^/    /' >&2
    say "all of it: $log. With the cause gone, run the same command again; what was installed stays."
    exit 1
}

heartbeat() {
    seconds=0
    while sleep 8 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 8))
        if grep -q '^Installing collected' "$log"; then
            say "  $seconds s, unpacking"
        else
            found=$(grep -c "^Collecting" "$log" || :)
            say "  $seconds s$([ "$found" -eq 0 ] || echo ", $found packages found or fetched")"
        fi
    done
}

# uv resolves what pip can't: for every platform at once, and for the lowest versions. It has a place of its own.
make_uv() {
    uv=build/tools/bin/uv
    [ -x build/tools/bin/python ] || "${PYTHON:-python3}" -m venv build/tools
    quiet "installing uv" build/tools/bin/python -m pip install --upgrade uv
}

# install_torch REQUIREMENT [FLAG...]: by the rule that a machine without a GPU gets torch's CPU build: the default
# build brings several GB of CUDA packages with it. What torch needs besides CUDA is installed before.
install_torch() {
    if nvidia-smi -L >/dev/null 2>&1; then
        quiet "GPU found, installing $1 with CUDA (about 3 GB)" pip_install "$@"
    else
        quiet "no GPU, installing the CPU build of $1 (about 190 MB)" cpu_torch "$@"
    fi
}

# A wheel that pip was pointed at (find-links) comes before PyTorch's own index.
cpu_torch() { pip_install --no-index --no-deps "$@" || cpu_index "$@"; }

# Further indexes of pip's configuration may have the CUDA build: this index takes their place.
cpu_index() {
    index=https://download.pytorch.org/whl/cpu
    PIP_EXTRA_INDEX_URL=$index pip_install --no-deps --index-url "$index" "$@"
}

# The kit itself, built with the setuptools of the environment instead of one fetched for the occasion.
install_kit() { quiet "installing the kit" pip_install --no-deps --no-build-isolation --editable .; }
