# Where students' code is run and graded: the package, nbgrader, and nothing of the lecturer's.
# Built in the root of the repository; book/instructors.md says how to start it. Without torch, which
# only the assignment of chapter 17 needs.
FROM python:3.12-slim
WORKDIR /package
COPY requirements.txt pyproject.toml README.md ./
RUN pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r requirements.txt
COPY minfluence minfluence
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
# whoever runs it: no home but the temporary folder, and a name
ENV HOME=/tmp USER=grader
WORKDIR /course
