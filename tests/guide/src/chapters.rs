//! Each chapter as the documentation of an item, so that its Rust blocks are doctests.

/// Lists the chapters that have Rust blocks; `tests/blocks.rs` holds the list against the summary.
macro_rules! chapters {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/", $file))]
            pub mod $name {}
        )*

        /// The files whose Rust blocks are compiled.
        pub const COMPILED: &[&str] = &[$($file),*];
    };
}

chapters! {
    quick_start: "quick-start.md",
    authentication: "authentication.md",
    hsm: "hsm.md",
    rotation: "rotation.md",
    operations: "operations.md",
    suspend: "suspend.md",
    resume: "resume.md",
    delete: "delete.md",
    renew: "renew.md",
    list: "list.md",
    get: "get.md",
    encrypted_data: "encrypted-data.md",
    reason_codes: "reason-codes.md",
    unknown_outcomes: "unknown-outcomes.md",
    testing: "testing.md",
    web_service: "web-service.md",
    bulk: "bulk.md",
    observability: "observability.md",
    pci: "pci.md",
    fips: "fips.md",
    upgrading: "upgrading.md",
}
