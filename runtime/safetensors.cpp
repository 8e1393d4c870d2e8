// safetensors.cpp: the format of https://github.com/huggingface/safetensors: a u64 header length, a JSON
// header
// {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {..}}, then the bytes of all
// tensors.
#include "runtime/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ir/diagnostics.h"
#include "ir/json.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "runtime/output_file.h"

namespace tenon {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

struct TypeName {
  llvm::StringRef name;
  FileType type;
};
const TypeName kTypeNames[] = {
    {"BOOL", FileType::kBool}, {"U8", FileType::kU8},          {"I8", FileType::kI8},
    {"U16", FileType::kU16},   {"I16", FileType::kI16},        {"U32", FileType::kU32},
    {"I32", FileType::kI32},   {"U64", FileType::kU64},        {"I64", FileType::kI64},
    {"F16", FileType::kF16},   {"BF16", FileType::kBF16},      {"F32", FileType::kF32},
    {"F64", FileType::kF64},   {"F8_E4M3", FileType::kF8E4M3}, {"F8_E5M2", FileType::kF8E5M2},
};

llvm::StringRef format_name(FileType type) {
  for (const TypeName& row : kTypeNames)
    if (row.type == type) return row.name;
  llvm_unreachable("every type has a name in the format");
}

int64_t bytes_of(const FileTensor& tensor) { return tensor.elements() * size_of(tensor.type); }

/// The document, or an error that begins with the file's path.
json::Value parse_json(const std::string& path, llvm::StringRef text) {
  try {
    return json::parse(text);
  } catch (const Error& error) {
    throw Error(path + ": " + error.diagnostics()[0].message);
  }
}

std::shared_ptr<llvm::MemoryBuffer> map_file(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) throw Error(path.str() + ": " + buffer.getError().message());
  return std::move(*buffer);
}

/// One file's header, checked as it is read.
struct Header {
  std::string path;
  std::shared_ptr<llvm::MemoryBuffer> file;
  const std::byte* data = nullptr;
  int64_t data_bytes = 0;

  [[noreturn]] void fail(const std::string& why) const { throw Error(path + ": " + why); }
  [[noreturn]] void fail(llvm::StringRef name, const std::string& why) const {
    fail("tensor '" + name.str() + "': " + why);
  }
  json::Object parse();
  FileTensor tensor(llvm::StringRef name, const json::Value& value, int64_t* begin) const;
  void check_coverage(std::vector<std::pair<int64_t, const FileTensor*>> spans) const;
};

json::Object Header::parse() {
  llvm::StringRef bytes = file->getBuffer();
  uint64_t length = 0;
  if (bytes.size() < sizeof(length)) fail("no safetensors file: " + std::to_string(bytes.size()) + " bytes");
  std::memcpy(&length, bytes.data(), sizeof(length));
  uint64_t rest = bytes.size() - sizeof(length);
  if (length > rest)
    fail("truncated, or no safetensors file: its header should have " + std::to_string(length) + " bytes, " +
         std::to_string(rest) + " are there");
  if (length > kMaxHeaderBytes) fail("its header of " + std::to_string(length) + " bytes is too large");
  llvm::StringRef text = bytes.substr(sizeof(length), length);
  json::Value header = parse_json(path, text);
  if (!header.object()) fail("its header is no JSON object");
  data = reinterpret_cast<const std::byte*>(bytes.data()) + sizeof(length) + length;
  data_bytes = static_cast<int64_t>(rest - length);
  return *header.object();
}

FileTensor Header::tensor(llvm::StringRef name, const json::Value& value, int64_t* begin) const {
  FileTensor tensor;
  tensor.name = name.str();
  tensor.path = path;
  tensor.owner = file;
  const std::string* dtype = value["dtype"].string();
  const json::Array* shape = value["shape"].array();
  const json::Array* offsets = value["data_offsets"].array();
  if (!dtype || !shape || !offsets || offsets->size() != 2) fail(name, "needs dtype, shape and data_offsets");
  const TypeName* row = llvm::find_if(kTypeNames, [&](const TypeName& r) { return r.name == *dtype; });
  if (row == std::end(kTypeNames)) fail(name, "unknown dtype \"" + *dtype + "\"");
  tensor.type = row->type;
  if (shape->size() > kMaxFileRank) fail(name, "more than " + std::to_string(kMaxFileRank) + " axes");
  for (const json::Value& extent : *shape) {
    if (!extent.integer()) fail(name, "an extent is no integer");
    tensor.shape.push_back(*extent.integer());
  }
  auto from = (*offsets)[0].integer(), to = (*offsets)[1].integer();
  if (!from || !to || *from < 0 || *from > *to) fail(name, "its data_offsets are no range");
  if (*to > data_bytes)
    fail(name, "its data ends at byte " + std::to_string(*to) + ", the file's data at " +
                   std::to_string(data_bytes) + ": truncated?");
  std::optional<int64_t> bytes = checked_bytes(tensor.shape, size_of(tensor.type));
  if (!bytes) fail(name, "the shape " + tensor.text() + " is negative or too large");
  if (*bytes != *to - *from)
    fail(name, tensor.text() + " takes " + std::to_string(*bytes) + " bytes, its data_offsets give " +
                   std::to_string(*to - *from));
  tensor.data = data + *from;
  *begin = *from;
  return tensor;
}

/// The format allows no byte in two tensors and none in no tensor.
void Header::check_coverage(std::vector<std::pair<int64_t, const FileTensor*>> spans) const {
  llvm::sort(spans, [](const auto& a, const auto& b) {
    auto end = [](const auto& span) {
      return span.first + span.second->elements() * size_of(span.second->type);
    };
    return std::make_pair(a.first, end(a)) < std::make_pair(b.first, end(b));
  });
  int64_t covered = 0;
  for (const auto& [begin, tensor] : spans) {
    if (begin < covered) fail(tensor->name, "its data overlaps that of another tensor");
    if (begin > covered)
      fail(tensor->name, "a hole of " + std::to_string(begin - covered) + " bytes before its data");
    covered = begin + tensor->elements() * size_of(tensor->type);
  }
  if (covered != data_bytes) fail(std::to_string(data_bytes - covered) + " bytes after the last tensor");
}

FileTensors read_file(llvm::StringRef path) {
  Header header{path.str(), map_file(path)};
  json::Object object = header.parse();
  FileTensors tensors;
  std::vector<std::pair<int64_t, const FileTensor*>> spans;
  for (const auto& [key, value] : object) {
    if (key == "__metadata__") continue;
    int64_t begin = 0;
    FileTensor tensor = header.tensor(key, value, &begin);
    const FileTensor& kept = tensors[tensor.name] = std::move(tensor);
    spans.emplace_back(begin, &kept);
  }
  header.check_coverage(std::move(spans));
  return tensors;
}

void merge(FileTensors& all, FileTensors more) {
  for (auto& [name, tensor] : more) {
    auto [at, fresh] = all.emplace(name, std::move(tensor));
    if (!fresh) throw Error("tensor '" + name + "' stands in " + at->second.path + " and in another shard");
  }
}

/// {"weight_map": {"name": "shard.safetensors", ..}}; shards lie beside the index.
FileTensors read_index(llvm::StringRef path) {
  auto file = map_file(path);
  json::Value index = parse_json(path.str(), file->getBuffer());
  const json::Object* map = index["weight_map"].object();
  if (!map) throw Error(path.str() + ": no \"weight_map\"");
  std::map<std::string, FileTensors> shards;
  FileTensors tensors;
  for (const auto& [key, value] : *map) {
    const std::string* shard = value.string();
    if (!shard || shard->empty() || llvm::sys::path::filename(*shard) != *shard)
      throw Error(path.str() + ": the shard of '" + key + "' is no file name");
    auto [at, fresh] = shards.try_emplace(*shard);
    if (fresh) {
      llvm::SmallString<128> beside = llvm::sys::path::parent_path(path);
      llvm::sys::path::append(beside, *shard);
      at->second = read_file(beside);
    }
    auto found = at->second.find(key);
    if (found == at->second.end()) throw Error(path.str() + ": tensor '" + key + "' is not in " + *shard);
    tensors.insert(*found);
  }
  return tensors;
}

FileTensors read_folder(llvm::StringRef path) {
  std::vector<std::string> files, indices;
  std::error_code problem;
  for (llvm::sys::fs::directory_iterator at(path, problem), end; at != end && !problem;
       at.increment(problem)) {
    llvm::StringRef name = at->path();
    if (name.endswith(".safetensors")) files.push_back(at->path());
    if (name.endswith(".safetensors.index.json")) indices.push_back(at->path());
  }
  if (problem) throw Error(path.str() + ": " + problem.message());
  if (indices.size() > 1)
    throw Error(path.str() + ": several *.safetensors.index.json", {}, "name one of them");
  if (indices.size() == 1) return read_index(indices[0]);
  if (files.empty()) throw Error(path.str() + ": no *.safetensors in this folder");
  llvm::sort(files);
  FileTensors tensors;
  for (const std::string& file : files) merge(tensors, read_file(file));
  return tensors;
}

std::string header_of(llvm::ArrayRef<FileTensor> tensors) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer out(stream);
  int64_t at = 0;
  out.object([&] {
    for (const FileTensor& tensor : tensors) {
      out.attribute_object(tensor.name, [&] {
        out.attribute("dtype", format_name(tensor.type));
        out.attribute("shape", tensor.shape);
        out.attribute("data_offsets", std::array{at, at + bytes_of(tensor)});
      });
      at += bytes_of(tensor);
    }
  });
  text.append((8 - text.size() % 8) % 8, ' ');  // data begins aligned
  return text;
}

}  // namespace

FileTensors read_safetensors(llvm::StringRef path) {
  if (llvm::sys::fs::is_directory(path)) return read_folder(path);
  if (path.endswith(".index.json")) return read_index(path);
  return read_file(path);
}

void write_safetensors(llvm::StringRef path, llvm::ArrayRef<std::pair<std::string, Tensor>> tensors) {
  std::vector<FileTensor> views;
  for (const auto& [name, tensor] : tensors)
    views.push_back({name, path.str(), file_type_of(tensor.dtype()), extents_of(tensor.type().shape),
                     tensor.data(), nullptr});
  write_file_tensors(path, views);
}

void write_file_tensors(llvm::StringRef path, llvm::ArrayRef<FileTensor> tensors) {
  const std::string header = header_of(tensors);
  const uint64_t length = header.size();
  write_output(path, [&](llvm::raw_ostream& out) {
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out << header;
    for (const FileTensor& tensor : tensors)
      out.write(reinterpret_cast<const char*>(tensor.data), bytes_of(tensor));
  });
}

}  // namespace tenon
