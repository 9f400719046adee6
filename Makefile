lock:
	uv pip compile -q pyproject.toml --group tasks --universal --generate-hashes -p 3.11 -o requirements/tasks.txt
