// commands.h: the commands of the command line, one file each; each adds itself to the program.
#pragma once
#include <CLI/CLI.hpp>

namespace tenon::cli {

void add_bench(CLI::App& program);
void add_cache(CLI::App& program);
void add_check(CLI::App& program);
void add_compile(CLI::App& program);
void add_doctor(CLI::App& program);
void add_emulate(CLI::App& program);
void add_explain(CLI::App& program);
void add_generate(CLI::App& program);
void add_inspect(CLI::App& program);
void add_run(CLI::App& program);

}  // namespace tenon::cli
