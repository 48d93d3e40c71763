#include "vfio_user/message_reader.h"

#include <cerrno>
#include <cstring>

#include "vfio_user/socket.h"

namespace vfio_engine {

int MessageReader::Take(Message& message) {
  message.fds.clear();
  if (end_ - begin_ < sizeof(wire::Header)) {
    need_ = sizeof(wire::Header);
    return 0;
  }
  std::memcpy(&message.header, &buffer_[begin_], sizeof(wire::Header));
  if (!wire::Valid(message.header)) return -EPROTO;
  size_t size = message.header.size;
  if (size > wire::kMaxMessage) return -EMSGSIZE;
  need_ = size;
  if (end_ - begin_ < size) return 0;
  message.payload = buffer_.data() + begin_ + sizeof(wire::Header);
  message.length = size - sizeof(wire::Header);
  begin_ += size;
  position_ += size;
  need_ = sizeof(wire::Header);
  if (!passed_.empty()) TakeFds(position_, message.fds);
  return 1;
}

ssize_t MessageReader::Fill(int flags) {
  if (begin_ + need_ > buffer_.size() || begin_ == end_) {
    if (end_ > begin_) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (need_ > buffer_.size()) buffer_.resize(need_);
  }
  ReceivedFds fds;
  ssize_t got = ReceiveSome(socket_, buffer_.data() + end_, buffer_.size() - end_, fds, flags);
  if (got <= 0) return got;
  end_ += static_cast<size_t>(got);
  if (fds.size() > 0 || fds.lost()) return HoldFds(fds) ? got : -EPROTO;
  return got;
}

// Returns false if too many are held. Throws bad_alloc.
bool MessageReader::HoldFds(ReceivedFds& fds) {
  const size_t count = fds.lost() ? 1 : fds.size();
  held_fds_ += count;
  if (held_fds_ > kMaxHeldFds) return false;
  Passed passed{position_ + (end_ - begin_), std::vector<UniqueFd>(count)};
  for (size_t i = 0; i < fds.size(); i++) passed.fds[i] = fds.Take(i);
  passed_.push_back(std::move(passed));
  return true;
}

void MessageReader::TakeFds(uint64_t message_end, std::vector<UniqueFd>& fds) {
  while (!passed_.empty() && passed_.front().end <= message_end) {
    held_fds_ -= passed_.front().fds.size();
    for (UniqueFd& fd : passed_.front().fds) fds.push_back(std::move(fd));
    passed_.pop_front();
  }
}

}  // namespace vfio_engine
