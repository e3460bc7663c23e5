import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsr_cli.zoo.names import RepoName, is_commit, parse_repo_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/repo", RepoName("org/repo")),
        ("org/repo@v1", RepoName("org/repo", "v1")),
        ("o/r@refs/pr/1", RepoName("o/r", "refs/pr/1")),
        ("Org-1/a.b_c-d", RepoName("Org-1/a.b_c-d")),
        (f"org/repo@{'a' * 40}", RepoName("org/repo", "a" * 40)),
    ],
)
def test_names(text: str, name: RepoName) -> None:
    assert parse_repo_name(text) == name
    assert str(name) == text
    assert name.folder == "models--" + name.repo.replace("/", "--")


@pytest.mark.parametrize(
    "text",
    ["", "repo", "/org/repo", "org/repo/", "a/b/c", "../repo", "org/..", "./repo", "org/.repo", "org/re..po",
     "org//repo", "~/repo", "C:/repo",
     "C:\\repo", "org\\repo", "org/re\0po", "org/repo\n", "org/repo@", "org/repo@../x", "org/repo@/x",
     "org/repo@a/../b", "org/repo@a//b", "org/repo@x.lock", "org/repo@C:x", "org/repo@v\0", "org/a--b", "org/repo.git",
     "org/-repo", "org/repo-", "ör/repo", "org/" + "a" * 97, "org/repo@" + "a" * 201, " org/repo", "org/repo@a b",
     "//server/share", "org/repo@.hidden", "org/repo@-x"],
)  # fmt: skip
def test_tricks_are_no_names(text: str) -> None:
    assert parse_repo_name(text) is None


@given(st.text(alphabet="aB1.-_/@\\:\0~ é", max_size=20))
def test_no_name_leaves_its_folder(text: str) -> None:
    name = parse_repo_name(text)
    if name is not None:
        for part in (*name.repo.split("/"), name.folder, *name.revision.split("/")):
            assert part not in ("", ".", "..")
            assert not set(part) & set("/\\:\0~ ")


def test_commits() -> None:
    assert is_commit("0123456789" * 4)
    assert not is_commit("main")
    assert not is_commit("A" * 40)
    assert not is_commit("a" * 40 + "\n")
