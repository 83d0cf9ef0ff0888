//! HTTP: translate, authorise, delegate.
