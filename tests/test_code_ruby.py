"""Ruby source, Gemfile and Gemfile.lock: what is written there counts, nothing is guessed."""

import pytest

from msrefactor.code.gemfile import read_gemfile, read_lock
from msrefactor.code.ruby import ruby_needs


def _commands(text: str) -> list[str]:
    return [name for name, _ in ruby_needs("a.rb", text).commands]


@pytest.mark.parametrize(
    "text",
    [
        "# `git log`\n",
        "=begin\nsystem('git log')\n=end\n",
        "puts 'system(\"git\")'",
        "text = <<~SQL\n  `id` bigint, system('x')\nSQL\n",
        "a = b / c; d = 'x' / 2",
        "x =~ /`ls`/",
        "def system(name)\nend",
        "self.system = 1",
        "job.exec('git')",
        "connection.exec('select 1')",
        "system",
        "spawn_point = 3",
        "__END__\n`git log`",
        "sh = 3",
    ],
)
def test_nothing_is_started(text: str) -> None:
    needs = ruby_needs("a.rb", text)
    assert needs.commands == ()
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("`git rev-parse HEAD`.strip", "git"),
        ("%x(convert a.png b.png)", "convert"),
        ("%x{git log #{ref}}", "git"),
        ("system('pdftotext', path)", "pdftotext"),
        ('system "ffmpeg -i #{path}"', "ffmpeg"),
        ("Kernel.system('jq .')", "jq"),
        ("IO.popen(['git', 'log'])", "git"),
        ("IO.popen('curl -s x')", "curl"),
        ("out, status = Open3.capture2e(env, 'pg_dump', url)", "pg_dump"),
        ("Open3.capture3({ 'A' => 'b' }, 'psql')", "psql"),
        ("Process.spawn('node server.js')", "node"),
        ("exec 'puma'", "puma"),
        ("sh 'yarn build'", "yarn"),
        ("a = width /2\nsystem('git log')", "git"),
        ("system(*%w[git log])", "git log".split(maxsplit=1)[0]),
    ],
)
def test_programs_by_name(text: str, name: str) -> None:
    assert _commands(text) == [name]
    assert ruby_needs("a.rb", text).unknown_commands == ()


@pytest.mark.parametrize(
    "text", ["system(cmd)", "`#{tool} -v`", "IO.popen(command)", "exec(*args)", "%x(#{x})"]
)
def test_programs_whose_name_is_not_written_there(text: str) -> None:
    needs = ruby_needs("lib/a.rb", text)
    assert needs.commands == ()
    assert [place.line for place in needs.unknown_commands] == [1]


def test_what_is_required() -> None:
    assert ruby_needs("a.rb", "require 'open3'\nrequire(\"json\")\n").imports == {"open3", "json"}


GEMFILE = """
source "https://rubygems.org"
ruby file: ".ruby-version"

gem "rails", "~> 7.1"
# gem "mysql2"
gem 'pg', '>= 0.18',
    '< 2.0'

group :development, :test do
  gem "debug", platforms: %i[ mri windows ]
end

gem "rubocop", group: :development
"""


def test_a_gemfile() -> None:
    read = read_gemfile(GEMFILE)
    assert [name for name, _ in read.names] == ["rails", "pg", "debug", "rubocop"]
    assert dict(read.names)["pg"] == 7
    assert read.groups == {"debug": ("development", "test"), "rubocop": ("development",)}
    assert read.ruby_file == ".ruby-version"
    assert not read.reads_more
    assert not read.uses_git


@pytest.mark.parametrize(
    "line",
    [
        "gemspec",
        'gem "engine", path: "engines/shop"',
        'path "engines" do\n  gem "shop"\nend',
        'eval_gemfile "Gemfile.local"',
        'ruby File.read(".ruby-version").strip',
        'Dir["plugins/*/Gemfile"].each { |file| instance_eval File.read(file) }',
        'gem "engine", :path => "engines/shop"',
    ],
)
def test_a_gemfile_that_reads_more(line: str) -> None:
    assert read_gemfile(f'source "https://rubygems.org"\n{line}\n').reads_more


def test_gems_from_git() -> None:
    assert read_gemfile('gem "x", github: "a/x"').uses_git
    assert read_gemfile('gem "x", :git => "https://x"').uses_git


LOCK = """GIT
  remote: https://github.com/a/x.git
  revision: abc
  specs:
    x (1.0)

PATH
  remote: engines/shop
  specs:
    shop (0.1.0)

GEM
  remote: https://rubygems.org/
  specs:
    nokogiri (1.16.3-x86_64-linux)
      racc (~> 1.4)
    racc (1.7.3)

PLATFORMS
  arm64-darwin-22
  x86_64-linux

DEPENDENCIES
  nokogiri
"""


def test_a_lock_file() -> None:
    lock = read_lock(LOCK)
    assert lock.names == {"x", "shop", "nokogiri", "racc"}
    assert lock.paths == ("engines/shop",)
    assert lock.platforms == ("arm64-darwin-22", "x86_64-linux")
    assert lock.has_git
    assert lock.is_precompiled("nokogiri")
    assert not lock.is_precompiled("racc")
