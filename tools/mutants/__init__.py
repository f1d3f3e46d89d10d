"""Small changes of the sources, each of which some test must notice: ``make mutants``.

``mutant.py`` says what a mutant is and which are tried, ``of_python.py`` and ``of_c.py`` find them,
``trials.py`` builds and tests each, ``__main__.py`` runs them and writes ``docs/mutants.md``.
``reached.toml`` lists the tests of each file, and ``explained.toml`` the mutants that no test can
notice, with the reason.
"""
