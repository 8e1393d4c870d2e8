// meter_report.cpp: see the header.
#include "runtime/emulator/machine/meter_report.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "runtime/emulator/checks/findings.h"

namespace tenon::emulator {
namespace {

std::string place_of(const Program& program, const Op& op) {
  const std::vector<std::string> chain = source_chain(*program.module, op.place);
  return chain.empty() ? "ptx line " + std::to_string(op.line) : chain.front();
}

double active_lanes(const OpMeter& counts) {
  return counts.issues == 0
             ? 0
             : static_cast<double>(counts.lanes) / (static_cast<double>(counts.issues) * kLanes);
}

struct Column {
  const char* title;
  uint64_t (*value)(const LineMeter&);
};
// Titles of the table; JSON has them with _ for blanks.
constexpr Column kColumns[] = {
    {"instructions", [](const LineMeter& line) { return line.counts.issues; }},
    {"bytes read", [](const LineMeter& line) { return line.counts.read; }},
    {"bytes written", [](const LineMeter& line) { return line.counts.written; }},
    {"sectors read", [](const LineMeter& line) { return line.counts.sectors_read; }},
    {"sectors written", [](const LineMeter& line) { return line.counts.sectors_written; }},
    {"shared bytes", [](const LineMeter& line) { return line.counts.shared; }},
    {"shared passes", [](const LineMeter& line) { return line.counts.shared_passes; }},
    {"bank conflicts", [](const LineMeter& line) { return line.counts.shared_conflicts; }},
    {"flops", [](const LineMeter& line) { return line.flops; }},
    {"mma flops", [](const LineMeter& line) { return line.mma_flops; }},
};

std::string padded(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace

std::vector<LineMeter> by_line(const Meter& meter) {
  std::map<std::string, LineMeter> lines;
  for (size_t i = 0; i < meter.ops.size(); ++i) {
    const OpMeter& counts = meter.ops[i];
    if (counts.issues == 0) continue;
    const Op& op = meter.program->ops[i];
    auto [place, added] = lines.try_emplace(place_of(*meter.program, op));
    LineMeter& line = place->second;
    if (added) line.first_op = static_cast<int>(i);
    line.place = place->first;
    line.counts += counts;
    const auto flops = static_cast<uint64_t>(op.flops);
    if (op.kind == OpClass::kMatrix)
      line.mma_flops += flops * counts.issues;
    else
      line.flops += flops * counts.lanes;
  }
  std::vector<LineMeter> ordered;
  for (auto& [place, line] : lines) ordered.push_back(std::move(line));
  std::sort(ordered.begin(), ordered.end(),
            [](const LineMeter& a, const LineMeter& b) { return a.first_op < b.first_op; });
  return ordered;
}

std::string line_table(const Meter& meter) {
  const std::vector<LineMeter> lines = by_line(meter);
  std::string head, text;
  std::vector<const Column*> shown;  // those that count anything
  for (const Column& column : kColumns)
    if (std::any_of(lines.begin(), lines.end(),
                    [&](const LineMeter& line) { return column.value(line) != 0; }))
      shown.push_back(&column);
  constexpr size_t kWidth = 17;
  for (const Column* column : shown) head += padded(column->title, kWidth);
  text = head + padded("lanes", 8) + "  place\n";
  for (const LineMeter& line : lines) {
    for (const Column* column : shown) text += padded(std::to_string(column->value(line)), kWidth);
    char lanes[16];
    std::snprintf(lanes, sizeof lanes, "%.0f %%", 100 * active_lanes(line.counts));
    text += padded(lanes, 8) + "  " + line.place + "\n";
  }
  return text;
}

void write_lines(json::Writer& out, const Meter& meter) {
  out.attribute_array("lines", [&] {
    for (const LineMeter& line : by_line(meter))
      out.object([&] {
        out.attribute("place", line.place);
        for (const Column& column : kColumns) {
          std::string name = column.title;
          std::replace(name.begin(), name.end(), ' ', '_');
          out.attribute(name, column.value(line));
        }
        out.attribute("active_lanes", active_lanes(line.counts));
      });
  });
}

}  // namespace tenon::emulator
