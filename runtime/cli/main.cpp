// main.cpp: `tenon`: finds the command, and turns errors into messages and exit statuses.
#include <cstdio>

#include "ir/diagnostics.h"
#include "runtime/cli/commands.h"

namespace {

// Commands of the language page that later versions bring.
constexpr const char* kNotYet[] = {"generate", "tune", "calibrate", "emulate", "import", "cache"};

int refuse_if_not_yet(llvm::StringRef command) {
  for (llvm::StringRef name : kNotYet)
    if (name == command) {
      std::fprintf(stderr, "error: `tenon %s` is not there yet\n", command.str().c_str());
      return static_cast<int>(tenon::Status::kMachineCannot);
    }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1)
    if (int status = refuse_if_not_yet(argv[1])) return status;
  CLI::App program("Tenon: a model in TOML becomes fused CUDA kernels, explained, and runs", "tenon");
  program.set_version_flag("--version", std::string("tenon ") + TENON_VERSION);
  program.require_subcommand(1);
  try {
    tenon::cli::add_compile(program);
    tenon::cli::add_doctor(program);
    tenon::cli::add_explain(program);
    tenon::cli::add_inspect(program);
    program.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    int status = program.exit(error);
    return status == 0 ? 0 : static_cast<int>(tenon::Status::kBadInput);
  } catch (const tenon::Error& error) {
    std::fputs(error.what(), stderr);
    return static_cast<int>(error.status());
  } catch (const std::bad_alloc&) {
    std::fputs("error: out of memory\n", stderr);
    return static_cast<int>(tenon::Status::kMachineCannot);
  }
}
