// main.cpp: `tenon`: finds the command, and turns errors into messages and exit statuses.
#include <cstdio>

#include "ir/diagnostics.h"
#include "runtime/cli/commands.h"

namespace {

using tenon::Error;
using tenon::Status;

// Every command of the language page. One that no file of this folder adds is not there yet.
constexpr const char* kCommands[] = {"run",  "generate",  "inspect", "compile", "explain", "bench", "check",
                                     "tune", "calibrate", "emulate", "import",  "cache",   "doctor"};

/// Throws where `name` stands for no command of this program.
void require_command(const CLI::App& program, llvm::StringRef name) {
  std::vector<llvm::StringRef> names(std::begin(kCommands), std::end(kCommands));
  if (name.startswith("-")) return;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == name) return;
  if (llvm::is_contained(names, name))
    throw Error("`tenon " + name.str() + "` is not there yet", {}, "", Status::kMachineCannot);
  std::string near = tenon::nearest(name, names);
  throw Error("no command '" + name.str() + "'", {},
              near.empty() ? "see `tenon --help`" : "did you mean '" + near + "'?");
}

int report(const char* text, Status status) {
  std::fputs(text, stderr);
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Tenon: a model in TOML becomes fused CUDA kernels, explained, and runs", "tenon");
  program.set_version_flag("--version", std::string("tenon ") + TENON_VERSION);
  program.require_subcommand(1);
  try {
    tenon::cli::add_bench(program);
    tenon::cli::add_cache(program);
    tenon::cli::add_check(program);
    tenon::cli::add_compile(program);
    tenon::cli::add_doctor(program);
    tenon::cli::add_emulate(program);
    tenon::cli::add_explain(program);
    tenon::cli::add_generate(program);
    tenon::cli::add_inspect(program);
    tenon::cli::add_run(program);
    if (argc > 1) require_command(program, argv[1]);
    program.parse(argc, argv);
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return 0;
    return report("error: cannot write to standard output\n", Status::kMachineCannot);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    return report(Error(error.what(), {}, "see `tenon --help`").what(), Status::kBadInput);
  } catch (const Error& error) {
    return report(error.what(), error.status());
  } catch (const std::bad_alloc&) {
    return report("error: out of memory\n", Status::kMachineCannot);
  }
}
