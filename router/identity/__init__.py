"""Who a DID is: documents, keys, handles."""
