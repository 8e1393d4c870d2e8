// emulate.cpp: `tenon emulate`: any CUDA or PTX kernel on the emulator: run, checked and metered.
#include <cstdio>
#include <filesystem>

#include "codegen/embedded.h"
#include "ir/diagnostics.h"
#include "ir/json.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/Support/MemoryBuffer.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/expectation.h"
#include "runtime/cli/launch_arguments.h"
#include "runtime/cli/model_options.h"
#include "runtime/cuda/nvrtc.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/emulator/device/loaded_module.h"
#include "runtime/emulator/machine/meter_report.h"
#include "runtime/safetensors.h"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

struct Emulate {
  std::string file, kernel, grid = "1", block = "1", cluster, target, checks, outputs, json;
  std::vector<std::string> includes, defines, arguments, buffers, expected;
  int64_t shared = 0;
  bool cooperative = false, verbose = false;

  std::string source, ptx;
  std::unique_ptr<emulator::EmulatedMachine> machine;
  std::unique_ptr<emulator::LoadedModule> module;

  void read();
  void compile(const emulator::Architecture& architecture);
  std::string entry() const;
  emulator::LaunchRequest request(const LaunchArguments& given) const;
  std::string json_text(const emulator::LaunchRecord& record, llvm::ArrayRef<FileTensor> results,
                        const std::string& differences) const;
  void require(const emulator::LaunchRecord& record, const std::string& differences) const;
  void run();
};

/// X[,Y,Z].
void parse_triple(const char* flag, llvm::StringRef text, int (&triple)[3]) {
  llvm::SmallVector<llvm::StringRef, 3> parts;
  text.split(parts, ',');
  bool good = parts.size() <= 3;
  for (size_t i = 0; i < 3 && good; ++i)
    good = i >= parts.size() ? (triple[i] = 1) : !parts[i].getAsInteger(10, triple[i]) && triple[i] > 0;
  if (!good) throw Error(std::string(flag) + " takes X[,Y,Z], each at least 1, not '" + text.str() + "'");
}

void Emulate::read() {
  auto buffer = llvm::MemoryBuffer::getFile(file);
  if (!buffer) throw Error(file + ": " + buffer.getError().message());
  source = (*buffer)->getBuffer().str();
}

// Headers beside NVRTC, where it belongs to a whole toolkit: cuda_bf16.h and its like.
std::string toolkit_headers(const cuda::LibrarySearch& search) {
  const fs::path library = search.library.path();
  for (const char* relative : {"../include", "../../include", "../../../include"}) {
    std::error_code failed;
    const fs::path folder = fs::weakly_canonical(library.parent_path() / relative, failed);
    if (!failed && fs::exists(folder / "cuda_fp16.h", failed)) return folder.string();
  }
  return "";
}

void Emulate::compile(const emulator::Architecture& architecture) {
  if (llvm::StringRef(file).endswith(".ptx")) {
    ptx = source;
    return;
  }
  const cuda::LibrarySearch search = cuda::find_nvrtc();
  const cuda::Nvrtc nvrtc(search);
  cuda::CompileRequest request{file, source, architecture.name.str(), false, includes, defines};
  const fs::path folder = fs::path(file).parent_path();
  request.include_folders.push_back(folder.empty() ? "." : folder.string());
  if (const std::string headers = toolkit_headers(search); !headers.empty())
    request.include_folders.push_back(headers);
  try {
    ptx = nvrtc.compile(request, embedded_templates()).ptx;
  } catch (const Error& error) {
    throw Error(error.diagnostics().front().message, {},
                "headers are looked for beside the file and in --include", Status::kBadInput);
  }
}

/// The entry that --kernel names: as the PTX has it, or as C++ does ("scale", "scale(float*, int)").
std::string Emulate::entry() const {
  const std::vector<std::string> entries = module->entries();
  if (entries.empty()) throw Error(file + " has no kernel");
  std::string list;
  std::vector<std::string> matches;
  for (const std::string& name : entries) {
    const std::string readable = llvm::demangle(name);
    const llvm::StringRef short_name = llvm::StringRef(readable).split('(').first;
    if (kernel == name) return name;
    if (kernel.empty() || readable == kernel || short_name == kernel) matches.push_back(name);
    list += (list.empty() ? "" : ", ") + readable;
  }
  if (matches.size() == 1) return matches.front();
  if (kernel.empty()) throw Error(file + " has several kernels", {}, "--kernel NAME: " + list);
  throw Error((matches.empty() ? "no kernel '" : "more than one kernel '") + kernel + "' in " + file, {},
              "it has " + list);
}

emulator::LaunchRequest Emulate::request(const LaunchArguments& given) const {
  emulator::LaunchRequest request;
  request.program = module->program(entry());
  parse_triple("--grid", grid, request.grid);
  parse_triple("--block", block, request.block);
  for (int axis = 0; axis < 3; ++axis)
    if (request.program->cluster[axis] > 0) request.cluster[axis] = request.program->cluster[axis];
  if (!cluster.empty()) parse_triple("--cluster", cluster, request.cluster);
  request.dynamic_shared_bytes = shared;
  request.cooperative = cooperative;
  request.parameters = given.parameters(*request.program);
  return request;
}

std::string Emulate::json_text(const emulator::LaunchRecord& record, llvm::ArrayRef<FileTensor> results,
                               const std::string& differences) const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  tenon::json::Writer out(stream, 2);
  out.object([&] {
    out.attribute("tenon", 1);
    out.attribute("kernel", record.kernel);
    out.attribute("target", machine->architecture().name);
    out.attribute("completed", record.result.completed);
    out.attribute("emulation_us", record.result.host_us);
    write_launch_meter(out, record.result.meter);
    if (verbose) emulator::write_lines(out, record.result.meter);
    out.attribute_array("findings", [&] {
      for (const emulator::Finding& finding : record.result.findings) write_finding(out, finding);
    });
    if (!expected.empty()) out.attribute("differences", differences);
    out.attribute_array("outputs", [&] {
      for (const FileTensor& tensor : results)
        out.object([&] {
          out.attribute("name", tensor.name);
          out.attribute("dtype", name_of(tensor.type));
          out.attribute("shape", tensor.shape);
        });
    });
  });
  return stream.str() + "\n";
}

void Emulate::run() {
  read();
  llvm::StringRef wanted = target;
  if (wanted.empty() && llvm::StringRef(file).endswith(".ptx")) {
    auto [before, after] = llvm::StringRef(source).split(".target");
    wanted = after.ltrim().take_until([](char c) { return c == ',' || c <= ' '; });
  }
  const emulator::Architecture& architecture = emulator::find_architecture(wanted);
  emulator::Options options = emulator::options_from_environment();
  emulator::set_checks(options, checks, "--check");
  if (json == "-")
    options.print = [](llvm::StringRef text) { std::fwrite(text.data(), 1, text.size(), stderr); };
  compile(architecture);
  machine = std::make_unique<emulator::EmulatedMachine>(architecture, options);
  module = std::make_unique<emulator::LoadedModule>(machine->memory(), ptx,
                                                    file + (ptx == source ? "" : " as PTX"));
  const LaunchArguments given(*machine, arguments, buffers);
  machine->launch(request(given));
  const emulator::LaunchRecord& record = machine->records().front();
  const std::vector<FileTensor> results = given.outputs();
  if (!outputs.empty()) write_file_tensors(outputs, results);
  std::string differences;
  for (const std::string& file : expected) differences += unexpected(file, results);
  write_text(json.empty() ? "-" : json,
             json.empty() ? launch_table(record, verbose) : json_text(record, results, differences));
  require(record, differences);
}

/// Throws what the checks found and what --expect does not.
void Emulate::require(const emulator::LaunchRecord& record, const std::string& differences) const {
  const size_t count = record.result.findings.size();
  if (count == 0 && differences.empty()) return;
  std::string what;
  if (count > 0)
    what = "the emulator found " + (count == 1 ? "a fault" : std::to_string(count) + " faults") +
           " in the kernel";
  if (!differences.empty()) what += std::string(count > 0 ? ", and " : "") + "outputs are not as expected";
  throw Error(what + "\n" + emulator::findings_text(*machine) + differences, {}, "", Status::kCheckFailed);
}

}  // namespace

void add_emulate(CLI::App& program) {
  auto state = std::make_shared<Emulate>();
  CLI::App* command =
      program.add_subcommand("emulate", "run any CUDA or PTX kernel on the emulator, checked and metered");
  command->add_option("FILE", state->file, "CUDA C++ (.cu) or PTX (.ptx)")->required();
  command->add_option("--kernel", state->kernel, "which kernel; needless where the file has one");
  command->add_option("--grid", state->grid, "blocks")->type_name("X[,Y,Z]");
  command->add_option("--block", state->block, "threads of a block")->type_name("X[,Y,Z]");
  command->add_option("--cluster", state->cluster, "blocks of a cluster")->type_name("X[,Y,Z]");
  command->add_option("--shared", state->shared, "dynamic shared memory")
      ->type_name("BYTES")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--cooperative", state->cooperative, "all blocks are resident together");
  command->add_option("--target", state->target,
                      "sm_80, sm_89, sm_90a, sm_100a, sm_120; the PTX's own, else the newest");
  command->add_option("--include", state->includes, "a folder of headers; may be repeated")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command->add_option("--define", state->defines, "a macro for CUDA C++; may be repeated")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  command->add_option("--arg", state->arguments, kArgumentHelp)->type_name("SPEC")->allow_extra_args(false);
  command
      ->add_option("--buffer", state->buffers,
                   "memory that is no parameter, for tensor maps; a SPEC of memory")
      ->type_name("NAME=SPEC")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--check", state->checks,
          "watched beside bounds, barriers and deadlocks: uninitialised, shared_races (both on at first), "
          "global_races, all; --check=-NAME switches one off")
      ->type_name("NAME,..");
  command
      ->add_option("--outputs", state->outputs,
                   "write `out` and `inout` memory, named arg0, arg1, .. by position")
      ->type_name("F.safetensors");
  command->add_option("--expect", state->expected, kExpectHelp)
      ->type_name("NAME=F.npy[:TOLERANCE] | F.safetensors[:TOLERANCE]")
      ->allow_extra_args(false);
  command->add_option("--json", state->json, "one JSON document to a file, or to standard output")
      ->expected(0, 1)
      ->default_str("-")
      ->type_name("[F|-]");
  command->add_flag("-v,--verbose", state->verbose, "meters by source line too");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
