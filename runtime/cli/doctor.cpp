// doctor.cpp: `tenon doctor`: what this machine offers, and what each absence costs.
#include "ir/json.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/model_options.h"
#include "runtime/cuda/cublaslt.h"
#include "runtime/cuda/machine.h"
#include "runtime/cuda/nvrtc.h"

namespace tenon::cli {
namespace {

/// One library as doctor reports it.
struct Finding {
  const char* key;    // in JSON
  const char* label;  // for people
  const cuda::LibrarySearch& search;
  const char* cost;     // what its absence means for the user
  std::string version;  // "13.0", empty where absent or broken
  std::string problem;  // why it cannot be used; empty when all is well
};

std::string dotted(size_t version, size_t major_unit, size_t minor_unit) {
  return std::to_string(version / major_unit) + "." + std::to_string(version % major_unit / minor_unit);
}

std::string device_name(const cuda::Gpu& gpu) { return "cuda:" + std::to_string(gpu.ordinal); }

Finding examine_driver(const cuda::Machine& machine) {
  return {"driver",
          "driver",
          machine.driver,
          "no kernel can run here: `run` and `generate` use the cpu device",
          machine.api ? dotted(machine.api->version, 1000, 10) : "",
          machine.driver.library ? machine.driver_problem : "not found"};
}

Finding examine_nvrtc(const cuda::Machine& machine) {
  Finding finding{
      "nvrtc",
      "NVRTC",
      machine.nvrtc,
      "no kernel can be compiled: nothing runs on a GPU or on the emulator, and registers and spills "
      "stay unknown",
      "",
      ""};
  if (!machine.nvrtc.library) {
    finding.problem = "not found";
    return finding;
  }
  try {
    const cuda::Nvrtc nvrtc(machine.nvrtc);
    finding.version = std::to_string(nvrtc.major_version()) + "." + std::to_string(nvrtc.minor_version());
  } catch (const Error& error) {
    finding.problem = error.diagnostics().front().message;
  }
  return finding;
}

Finding examine_cublaslt(const cuda::Machine& machine) {
  Finding finding{"cublaslt",
                  "cuBLASLt",
                  machine.cublaslt,
                  "on a GPU every product runs on a generated kernel; policy `auto` acts as `fused`, "
                  "`library` is refused",
                  "",
                  ""};
  // cuBLASLt counts 10000 * major + 100 * minor + patch.
  if (const size_t version = cuda::cublaslt_version(machine.cublaslt))
    finding.version = dotted(version, 10000, 100);
  else
    finding.problem = machine.cublaslt.library ? "it does not tell its version" : "not found";
  return finding;
}

void print_text(llvm::raw_ostream& out, const cuda::Machine& machine, llvm::ArrayRef<Finding> findings) {
  const auto line = [&](llvm::StringRef label) -> llvm::raw_ostream& {
    return out << llvm::left_justify(label, 10);
  };
  for (const Finding& finding : findings) {
    const cuda::LibrarySearch& search = finding.search;
    if (search.library) line(finding.label) << finding.version << "  " << search.library.path() << "\n";
    if (!finding.problem.empty()) {
      line(search.library ? "" : finding.label) << finding.problem << "\n";
      line("") << finding.cost << "\n";
    }
    if (!search.library)
      for (const std::string& place : search.looked_at) line("") << "  looked at " << place << "\n";
    for (const std::string& defect : search.defects) line("") << "  found broken " << defect << "\n";
  }
  for (const cuda::Gpu& gpu : machine.gpus)
    line(device_name(gpu)) << gpu.name << ", " << gpu.arch() << ", " << gpu.multiprocessors << " SMs, "
                           << llvm::format("%.1f GiB\n", static_cast<double>(gpu.memory_bytes) / (1 << 30));
  line("devices") << "cpu";
  if (machine.nvrtc.library) out << ", emulator";
  if (machine.can_run_kernels())
    for (const cuda::Gpu& gpu : machine.gpus) out << ", " << device_name(gpu);
  out << "\n";
}

void print_json(llvm::raw_ostream& out, const cuda::Machine& machine, llvm::ArrayRef<Finding> findings) {
  json::Writer json(out, 2);
  json.object([&] {
    json.attribute("tenon", 1);
    for (const Finding& finding : findings)
      json.attribute_object(finding.key, [&] {
        json.attribute("found", static_cast<bool>(finding.search.library));
        json.attribute("path", finding.search.library.path());
        json.attribute("version", finding.version);
        json.attribute("problem", finding.problem);
        json.attribute("cost", finding.problem.empty() ? "" : finding.cost);
        json.attribute("looked_at", finding.search.looked_at);
        json.attribute("defects", finding.search.defects);
      });
    json.attribute_array("gpus", [&] {
      for (const cuda::Gpu& gpu : machine.gpus)
        json.object([&] {
          json.attribute("ordinal", gpu.ordinal);
          json.attribute("name", gpu.name);
          json.attribute("arch", gpu.arch());
          json.attribute("multiprocessors", gpu.multiprocessors);
          json.attribute("memory_bytes", gpu.memory_bytes);
          json.attribute("l2_bytes", gpu.l2_bytes);
          json.attribute("shared_bytes_per_block", gpu.shared_bytes_per_block);
        });
    });
    json.attribute_array("devices", [&] {
      json.value("cpu");
      if (machine.nvrtc.library) json.value("emulator");
      if (machine.can_run_kernels())
        for (const cuda::Gpu& gpu : machine.gpus) json.value(device_name(gpu));
    });
  });
  out << "\n";
}

void run_doctor(const std::string& json_path) {
  const cuda::Machine machine = cuda::describe_machine();
  const Finding findings[] = {examine_driver(machine), examine_nvrtc(machine), examine_cublaslt(machine)};
  std::string text;
  llvm::raw_string_ostream out(text);
  json_path.empty() ? print_text(out, machine, findings) : print_json(out, machine, findings);
  write_text(json_path.empty() ? "-" : json_path, out.str());
}

}  // namespace

void add_doctor(CLI::App& program) {
  auto json_path = std::make_shared<std::string>();
  CLI::App* command =
      program.add_subcommand("doctor", "what this machine offers: driver, NVRTC, cuBLASLt, GPUs");
  command->add_option("--json", *json_path, "one JSON document to a file, or to standard output")
      ->expected(0, 1)
      ->default_str("-")
      ->type_name("[F|-]");
  command->callback([json_path] { run_doctor(*json_path); });
}

}  // namespace tenon::cli
