set positional-arguments
set quiet

# For those who call `just` themselves; ./run sets the same three.
here := justfile_directory()
export PATH := if path_exists(here / ".venv/bin/just") == "true" { here / ".venv/bin:" + env("PATH") } else { error("there is no .venv yet: ./run makes it") }
export PYTHONPATH := here
export PYTHONSAFEPATH := "1"

# List the recipes
_default:
    just --justfile "{{ justfile() }}" --list --unsorted

# Serve voice sessions on http://127.0.0.1:8000
[group("use")]
[no-exit-message]
[no-cd]
serve *args:
    exec python -m app serve "$@"

# Run the charts of a share of the conversations in a process of their own
[group("use")]
[no-exit-message]
[no-cd]
orchestrator *args:
    exec python -m app orchestrator "$@"

# Run workers (intent, rag) in a process of their own
[group("use")]
[no-exit-message]
[no-cd]
worker *args:
    exec python -m app worker "$@"

# Be a caller: speak FILE.wav to the server and print what it says
[group("use")]
[no-exit-message]
[no-cd]
call *args:
    exec python -m app call "$@"

# Talk with the server by keyboard
[group("use")]
[no-exit-message]
[no-cd]
chat *args:
    exec python -m app chat "$@"

# Draw a chart (render), see if the drawings are current (check), review a change (diff), see what was taken (coverage)
[group("use")]
[no-exit-message]
[no-cd]
diagram *args:
    exec python -m app diagram "$@"

# Explore the whole chart and check every property, or those of a chart of your own
[group("use")]
[no-exit-message]
[no-cd]
verify *args:
    exec python -m app verify "$@"

# Run turn-taking scenarios (FILE.toml...) on virtual time
[group("use")]
[no-exit-message]
[no-cd]
scenario *args:
    exec python -m app scenario "$@"

# Simulate the whole system with crashes, losses and delays (--seeds N), and check what is left of each call
[group("use")]
[no-exit-message]
[no-cd]
simulate *args:
    exec python -m app simulate "$@"

# List the sessions
[group("use")]
[no-exit-message]
[no-cd]
sessions *args:
    exec python -m app sessions "$@"

# Explain a silence: where a call (SESSION or FILE) stands, and what kept it there
[group("use")]
[no-exit-message]
[no-cd]
why *args:
    exec python -m app why "$@"

# Take recorded calls (SESSION or FILE...) through today's chart and compare
[group("use")]
[no-exit-message]
[no-cd]
replay *args:
    exec python -m app replay "$@"

# Keep a call (SESSION) as a test
[group("use")]
[no-exit-message]
[no-cd]
freeze *args:
    exec python -m app freeze "$@"

# Look after requests that could not be served (dead letters): list, show ID, retry ID..., drop ID...
[group("use")]
[no-exit-message]
[no-cd]
dlq *args:
    exec python -m app dlq "$@"

# Measure: turn, barge-in, endpointing, bus, chart, stt, tts; again: all that docs/benchmarks.md quotes
[group("use")]
[no-exit-message]
[no-cd]
bench *args:
    exec python -m app bench "$@"

# Break it on purpose: roles apart are killed, frozen and cut off while callers talk; then the log is read
[group("use")]
[no-exit-message]
[no-cd]
chaos *args:
    exec python -m app chaos "$@"

# Check the installation
[group("use")]
[no-exit-message]
[no-cd]
doctor *args:
    exec python -m app doctor "$@"

# Show the settings and where they come from
[group("use")]
[no-exit-message]
[no-cd]
config *args:
    exec python -m app config "$@"

# Run every check that must pass: format, lint, types, imports, diagrams, tests
[group("develop")]
[no-exit-message]
test *args: lint
    echo "== tests, two files at a time (-n 0: one test after the other)" >&2
    exec python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"

# Bring about every fault of docs/faults.md, and write down what came of it
[group("develop")]
[no-exit-message]
faults *args:
    exec env VOICECHART_FAULTS=1 python -m pytest -m fault "$@"

# Check format, lint, types, import contracts and that the committed diagrams are current
[group("develop")]
[no-exit-message]
lint:
    echo "== format" >&2
    ruff format --check --quiet . || { echo "run: ./run format" >&2; exit 1; }
    echo "== lint" >&2
    ruff check --quiet .
    echo "== types" >&2
    mypy
    echo "== import contracts" >&2
    lint-imports --no-logo
    echo "== diagrams" >&2
    python -m app diagram check

# Bring the code into shape
[group("develop")]
[no-exit-message]
format:
    ruff format .
    ruff check --fix .

# Build the wheel into dist/
[group("develop")]
[no-exit-message]
wheel:
    python -m build --wheel --no-isolation

# Write both locks anew from pyproject.toml; needs uv
[group("develop")]
[no-exit-message]
lock:
    uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 pyproject.toml --extra piper --extra kafka --group checkout -o requirements.lock
    uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 -c requirements.lock --group test -o requirements-test.lock
