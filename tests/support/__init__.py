"""What tests share: builders, fakes and the real platform. Documented like the source."""
