"""The columns of each kind of transmission, and how they are recognised in a file's header. Free of Odoo."""

import re
import unicodedata
from dataclasses import dataclass

COLUMNS = (
    "distributor",
    "outlet",
    "product_code",
    "date",
    "quantity",
    "unit",
    "unit_price",
    "amount",
    "returned",
    "reference",
)
NUMBERS = ("quantity", "unit_price", "amount", "returned")
#: What an outlet's master data say beside whose it is and its code.
DETAILS = ("name", "street", "city", "zip", "state", "country", "phone", "email", "contact", "status")

HEADERS = {
    "distributor": "distributor distributorcode distributorid dealer dealercode agency agencycode 经销商 经销商编码 经销商代码 经销商编号 代理商 代理商编码 客户编码",
    "outlet": "outlet outletcode outletid shop shopcode store storecode storeid pos customer customercode 门店 门店编码 门店代码 门店编号 店铺 店铺编码 终端 终端编码 网点 网点编码",
    "product_code": "productcode product productid productref sku skucode item itemcode itemno itemnumber article articleno articlecode materialcode barcode ean gtin 产品编码 产品代码 产品编号 商品编码 商品代码 商品编号 物料编码 物料号 货号 条码 条形码 商品条码 产品",
    "date": "date day saledate salesdate solddate invoicedate transactiondate countdate stockdate businessdate 日期 销售日期 销售时间 开单日期 单据日期 业务日期 交易日期 盘点日期 库存日期",
    "quantity": "quantity qty sold soldqty qtysold quantitysold salesqty units unitssold volume stock stockqty onhand counted countedquantity 数量 销量 销售数量 出货数量 销售量 库存 库存数量 盘点数量 实盘数量",
    "unit": "unit uom unitofmeasure 单位 计量单位 销售单位",
    "unit_price": "unitprice price priceunit sellingprice salesprice netprice 单价 价格 销售单价 售价 含税单价",
    "amount": "amount total value revenue sales salesamount salesvalue netamount turnover linetotal 金额 销售金额 总金额 销售额 合计金额",
    "returned": "returned returnedquantity returnqty returnedqty qtyreturned returns 退货 退货数量 退货量 退回数量",
    "batch": "batch batchno batchnumber batchcode lot lotno lotnumber 批次 批号 批次号 生产批次 生产批号",
    "reason": "reason cause returnreason why 原因 退货原因 退回原因 原因说明",
    "reference": "reference ref invoice invoiceno invoicenumber document documentno receipt receiptno orderno ordernumber transactionid 单号 单据号 单据编号 发票号 订单号 小票号 凭证号 流水号",
}
#: Headers that mean something else, or more, in files of one kind.
HEADERS_BY_KIND = {
    "returns": {
        "quantity": "returned returnedquantity returnqty returnedqty qtyreturned returns quantityreturned 退货 退货数量 退货量 退回数量 退回量",
        "date": "returndate returnedon 退货日期 退回日期",
    },
    "sensor": {
        "device": "device deviceid devicecode deviceno sensor sensorid sensorcode sensorno shelfid 设备 设备编号 设备编码 设备号 传感器 传感器编号 传感器编码 货架编号",
        "date": "timestamp time datetime moment readat measuredat readingtime eventtime 时间 时间戳 采集时间 上报时间 读取时间 检测时间",
        "quantity": "level onshelf reading facings shelfquantity shelfstock count 读数 在架数量 货架数量 在架库存 货架库存 陈列数量",
    },
    "outlet": {
        "outlet": "code ref reference id customerno customerref 编码 编号 代码 客户编号 客户代码 客户编码",
        "name": "name outletname shopname storename customername companyname 名称 门店名称 店名 店铺名称 终端名称 网点名称 客户名称 门店",
        "street": "street address addr addressline addressline1 streetaddress 地址 详细地址 门店地址 店铺地址 街道 街道地址",
        "city": "city town 城市 市 所在城市 地市",
        "zip": "zip zipcode postcode postalcode postcodezip 邮编 邮政编码",
        "state": "state province region county 省 省份 所在省 省市 州",
        "country": "country countrycode 国家 国别 国家地区",
        "phone": "phone phoneno phonenumber telephone tel mobile mobileno 电话 手机 手机号 手机号码 联系电话 电话号码",
        "email": "email mail emailaddress 邮箱 电子邮件 邮件",
        "contact": "contact contactperson contactname manager owner 联系人 负责人 店主 店长",
        "status": "status active open openclosed tradingstatus 状态 营业状态 是否营业 经营状态 是否有效",
    },
}


@dataclass(frozen=True)
class Kind:
    """The columns of one kind of transmission.

    ``texts`` are the names of a row's texts, in the order in which they are read; ``columns`` those of them that a file
    may have, ``required`` those it must have, ``template`` those of the empty file that is offered.
    """

    texts: tuple
    columns: tuple
    required: tuple
    template: tuple


def _kind(texts, required, left_out=(), untold=("distributor",)):
    columns = tuple(name for name in texts if name not in left_out)
    return Kind(texts, columns, required, tuple(name for name in columns if name not in untold))


REQUIRED = ("product_code", "date", "quantity")
KINDS = {
    "sell_through": _kind(COLUMNS, REQUIRED),
    "count": _kind(COLUMNS, REQUIRED, untold=("distributor", "outlet", "returned", "unit_price", "amount")),
    "returns": _kind((*COLUMNS, "batch", "reason"), REQUIRED, ("returned",), ("distributor", "amount")),
    "sensor": _kind(
        (*COLUMNS, "device"),
        ("device", "date", "quantity"),
        ("returned", "unit_price", "amount", "reference"),
        ("distributor", "unit"),
    ),
    "outlet": _kind(("distributor", "outlet", *DETAILS), ("outlet", "name")),
}


def _lt(source):
    """Mark a sentence for translation; the caller who knows a language translates ``FeedError.source``."""
    return source


class FeedError(ValueError):
    """The file can't be read. ``source`` is the sentence with ``%(name)s`` marks, ``values`` fills them."""

    def __init__(self, source, **values):
        super().__init__(source % values if values else source)
        self.source = source
        self.values = values


class HeaderError(FeedError):
    """No row of the file names the needed columns; ``headers`` and ``samples`` are what the likeliest row has."""

    headers = ()
    samples = ()


def fold(header):
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", header).lower())


def _words(table):
    return {fold(word): name for name, words in table.items() for word in words.split()}


_BY_HEADER = _words(HEADERS) | {fold(name): name for name in (*COLUMNS, "batch", "reason")}
_BY_KIND = {
    kind: {
        header: name
        for header, name in (
            _BY_HEADER | _words(HEADERS_BY_KIND.get(kind, {})) | {fold(name): name for name in spec.columns}
        ).items()
        if name in spec.columns
    }
    for kind, spec in KINDS.items()
}


def guess_columns(headers, kind="sell_through"):
    """Answer {column name: index} for the headers that are recognised; the first of two alike counts."""
    by_header = _BY_KIND[kind]
    columns = {}
    for index, header in enumerate(headers):
        name = by_header.get(fold(re.sub(r"[(（\[].*?[)）\]]", "", header))) or by_header.get(fold(header))
        if name:
            columns.setdefault(name, index)
    return columns


def named_columns(headers, columns, kind="sell_through"):
    """Answer {column name: index} for the caller's {column name: header}, the rest guessed from what is left."""
    index_by_header = {}
    for index, header in enumerate(headers):
        index_by_header.setdefault(fold(header), index)
    known = KINDS[kind].columns
    unknown = set(columns) - set(known)
    if unknown:
        raise FeedError(
            _lt('"%(names)s" is no column of a feed. The columns are: %(columns)s.'),
            names=", ".join(sorted(unknown)),
            columns=", ".join(known),
        )
    named = {}
    for name, header in columns.items():
        if not header:
            continue
        if fold(header) not in index_by_header:
            raise FeedError(
                _lt('The file has no column "%(header)s" for %(name)s. Its columns are: %(headers)s.'),
                header=header,
                name=name,
                headers=listed(headers),
            )
        named[name] = index_by_header[fold(header)]
    guessed = guess_columns(headers, kind)
    used = set(named.values())
    return named | {n: i for n, i in guessed.items() if n not in columns and i not in used}


def listed(headers):
    return ", ".join(header[:40] for header in headers[:40] if header) or "-"
